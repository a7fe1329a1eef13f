package host

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Config is how a kernel was built. Of a nil one nothing is known.
type Config map[string]bool

// ReadConfig reads how this kernel was built, from the kernel itself or from where
// distributions put it.
func ReadConfig() (Config, error) {
	packed, err := os.Open("/proc/config.gz")
	if err == nil {
		defer packed.Close()
		text, err := gzip.NewReader(packed)
		if err != nil {
			return nil, fmt.Errorf("read configuration of the kernel: %w", err)
		}
		return parseConfig(text)
	}
	file, bootErr := os.Open("/boot/config-" + Release())
	if bootErr != nil {
		return nil, fmt.Errorf("read configuration of the kernel: %w", errors.Join(err, bootErr))
	}
	defer file.Close()
	return parseConfig(file)
}

func parseConfig(r io.Reader) (Config, error) {
	c := Config{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if option, value, ok := strings.Cut(lines.Text(), "="); ok && (value == "y" || value == "m") {
			c[option] = true
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read configuration of the kernel: %w", err)
	}
	return c, nil
}

// Without are those of some options that the kernel was built without.
func (c Config) Without(options ...string) []string {
	var without []string
	for _, o := range options {
		if c != nil && !c[o] {
			without = append(without, o)
		}
	}
	return without
}

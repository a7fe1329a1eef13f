package builder

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Names of what [WriteHeaders] makes.
const (
	// HeadersDir holds the headers, below the directory of a gadget's source.
	HeadersDir = ".gadget-headers"
	// FlagsFile tells clangd and other tools how the sources beside it are compiled.
	FlagsFile = "compile_flags.txt"
)

// WriteHeaders writes all headers that programs are compiled with below
// dir/HeadersDir, and dir/FlagsFile for a platform such as linux/amd64, so that
// editors understand the programs in dir, which is made if its parent is there.
// What an earlier call has written is replaced, a FlagsFile of somebody else's not.
func WriteHeaders(dir, platformName string) error {
	platforms, err := parsePlatforms([]string{platformName})
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, f := range flags(HeadersDir, platforms[0]) {
		text.WriteString(f + "\n")
	}
	file := filepath.Join(dir, FlagsFile)
	old, err := os.ReadFile(file)
	if err == nil && !strings.Contains(string(old), "\n"+HeadersDir+"/") {
		return fmt.Errorf("write %s: there is one already, with other flags; remove it, or choose another directory", file)
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return fmt.Errorf("write headers: %w", err)
	}
	h, err := openHeaders(embedded, "")
	if err != nil {
		return err
	}
	defer h.close()
	to := filepath.Join(dir, HeadersDir)
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("write headers: %w", err)
	}
	if err := os.CopyFS(to, os.DirFS(h.dir)); err != nil {
		return fmt.Errorf("write headers: %w", err)
	}
	// They come out of the binary, so no repository needs them.
	if err := os.WriteFile(filepath.Join(to, ".gitignore"), []byte("*\n"), 0o644); err != nil {
		return fmt.Errorf("write headers: %w", err)
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

package runner

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
)

// kallsyms lists the symbols of the kernel and its modules.
const kallsyms = "/proc/kallsyms"

// symbol is a function of the kernel. The address is 0 where the kernel hides it.
type symbol struct {
	name    string
	address uintptr
}

// hasSymbol looks for a symbol of any type.
func hasSymbol(name string) (bool, error) {
	found := false
	err := readFile(kallsyms, func(r io.Reader) error {
		return eachSymbol(r, func(_, have []byte, _ byte) { found = found || string(have) == name })
	})
	return found, err
}

// eachSymbol reads lines of /proc/kallsyms (kernel/kallsyms.c): address, type,
// name, and the module in brackets. The name is only valid until visit returns.
func eachSymbol(r io.Reader, visit func(address, name []byte, kind byte)) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		address, rest, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		kind, rest, ok := bytes.Cut(rest, []byte(" "))
		if !ok || len(kind) != 1 {
			return fmt.Errorf("line %q is no symbol", lines.Text())
		}
		name, _, _ := bytes.Cut(rest, []byte("\t"))
		visit(address, name, kind[0])
	}
	return lines.Err()
}

// matchFunctions returns the functions whose names match one of the patterns and
// that can be traced, each once. A pattern that matches nothing is a *noFunction.
func matchFunctions(patterns []string) (all []symbol, err error) {
	traceable := traceableFunctions()
	err = readFile(kallsyms, func(r io.Reader) (err error) {
		all, err = selectFunctions(r, patterns, traceable)
		return err
	})
	return all, err
}

// selectFunctions is matchFunctions of given lists; a nil one of what can be traced
// stands for everything that compilers do not make up.
func selectFunctions(symbols io.Reader, patterns []string, traceable map[string]bool) ([]symbol, error) {
	var all []symbol
	var wrong error
	seen, used := map[symbol]bool{}, map[string]bool{}
	err := eachSymbol(symbols, func(address, name []byte, kind byte) {
		if kind != 't' && kind != 'T' && kind != 'w' && kind != 'W' {
			return
		}
		fits := false
		for _, p := range patterns {
			// The patterns are those of the plan, which has checked them.
			ok, _ := path.Match(p, string(name))
			if ok = ok && isFunction(string(name), traceable); ok {
				fits, used[p] = true, true
			}
		}
		if !fits {
			return
		}
		n, err := strconv.ParseUint(string(address), 16, 64)
		if err != nil {
			wrong = err
		}
		if s := (symbol{string(name), uintptr(n)}); !seen[s] {
			seen[s] = true
			all = append(all, s)
		}
	})
	if err = cmp.Or(err, wrong); err != nil {
		return nil, err
	}
	for _, p := range patterns {
		if !used[p] {
			return nil, &noFunction{p}
		}
	}
	return all, nil
}

// noFunction is a pattern that no function matches.
type noFunction struct{ pattern string }

func (e *noFunction) Error() string { return "no function matches " + e.pattern }

// isFunction says whether code is a function that can be traced. Where ftrace does
// not say, it is none when it is a cold part of another, or the padding before one.
func isFunction(name string, traceable map[string]bool) bool {
	if traceable != nil {
		return traceable[name]
	}
	return !strings.Contains(name, ".cold") && !strings.HasPrefix(name, "__pfx_") && !strings.HasPrefix(name, "__cfi_")
}

// traceableFunctions are those that ftrace says it can trace, nil where it does
// not say, as on locked down machines.
func traceableFunctions() map[string]bool {
	if ensureTracefs() != nil {
		return nil
	}
	for _, dir := range tracefsPaths {
		all := map[string]bool{}
		err := readFile(dir+"/available_filter_functions", func(r io.Reader) error {
			lines := bufio.NewScanner(r)
			for lines.Scan() {
				name, _, _ := bytes.Cut(lines.Bytes(), []byte(" "))
				all[string(name)] = true
			}
			return lines.Err()
		})
		if err == nil {
			return all
		}
	}
	return nil
}

// readFile calls read with the content of a file.
func readFile(name string, read func(io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := read(f); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

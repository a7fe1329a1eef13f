package runner

import (
	"bufio"
	"bytes"
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
		return eachSymbol(r, func(s symbol, _ bool) { found = found || s.name == name })
	})
	return found, err
}

// eachSymbol reads lines of /proc/kallsyms (kernel/kallsyms.c): address, type,
// name, and the module in brackets. text says whether a symbol is code.
func eachSymbol(r io.Reader, visit func(s symbol, text bool)) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		address, rest, _ := strings.Cut(lines.Text(), " ")
		kind, rest, ok := strings.Cut(rest, " ")
		if !ok {
			return fmt.Errorf("line %q has no name", lines.Text())
		}
		name, _, _ := strings.Cut(rest, "\t")
		n, err := strconv.ParseUint(address, 16, 64)
		if err != nil {
			return err
		}
		visit(symbol{name, uintptr(n)}, strings.ContainsAny(kind, "tTwW"))
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
	seen, used := map[symbol]bool{}, map[string]bool{}
	err := eachSymbol(symbols, func(s symbol, text bool) {
		if !text || seen[s] || traceable != nil && !traceable[s.name] || traceable == nil && madeUp(s.name) {
			return
		}
		for _, p := range patterns {
			// The patterns are those of the plan, which has checked them.
			if ok, _ := path.Match(p, s.name); ok {
				used[p] = true
				seen[s] = true
			}
		}
		if seen[s] {
			all = append(all, s)
		}
	})
	if err != nil {
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

// madeUp says whether a symbol is no function of its own: a cold part of another,
// or the padding before one.
func madeUp(name string) bool {
	return strings.Contains(name, ".cold") || strings.HasPrefix(name, "__pfx_") || strings.HasPrefix(name, "__cfi_")
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

// Package law holds the rules of this repository as code: who may import whom,
// how long a file or a function may be, what is documented. Its tests apply them
// to the whole tree.
//
//	Tree   the Go files of the repository, parsed
//	Rule   looks at one file and reports where it breaks a law
package law

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// module is the path of this module; imports below it are our own.
const module = "github.com/gadget-bpf/gadget"

// File is one parsed Go file.
type File struct {
	// Path from the root of the repository, with slashes.
	Path string
	// Lines of the file.
	Lines int
	AST   *ast.File

	fset *token.FileSet
}

// testOnly are packages that serve tests; nothing else may import them.
var testOnly = []string{"internal/gadgettest", "internal/guests", "internal/testengine", "internal/testterminal"}

// Test reports whether the file is only built for tests.
func (f *File) Test() bool {
	return strings.HasSuffix(f.Path, "_test.go") || slices.Contains(testOnly, path.Dir(f.Path))
}

// Command reports whether the file belongs to a command rather than a library.
func (f *File) Command() bool { return f.AST.Name.Name == "main" }

// Top is the first element of the path: builder, internal, cmd.
func (f *File) Top() string {
	top, _, _ := strings.Cut(f.Path, "/")
	return top
}

// Imports returns the import paths of the file.
func (f *File) Imports() []string {
	var paths []string
	for _, i := range f.AST.Imports {
		paths = append(paths, strings.Trim(i.Path.Value, `"`))
	}
	return paths
}

func (f *File) at(n ast.Node, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", f.Path, f.fset.Position(n.Pos()).Line, fmt.Sprintf(format, args...))
}

// Parse reads one file.
func Parse(name string, src []byte) (*File, error) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{Path: name, Lines: strings.Count(string(src), "\n"), AST: parsed, fset: fset}, nil
}

// Tree parses every Go file below root that people wrote: no testdata, no hidden
// directories, no generated files.
func Tree(root fs.FS) ([]*File, error) {
	var files []*File
	err := fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || p == "bin" || p == "build") {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(p) != ".go" {
			return nil
		}
		src, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		f, err := Parse(p, src)
		if err != nil {
			return err
		}
		if !ast.IsGenerated(f.AST) {
			files = append(files, f)
		}
		return nil
	})
	return files, err
}

// Rule reports where a file breaks one law, a line for each place.
type Rule func(*File) []string

// Rules are the laws by name.
var Rules = map[string]Rule{
	"imports":    imports,
	"size":       size,
	"documented": documented,
	"names":      names,
	"silence":    silence,
	"shape":      shape,
}

// Limits on the tail: what a reader can hold in mind.
const (
	maxFileLines     = 600
	maxFunctionLines = 100
	maxParameters    = 6 // a context, four of its own, options
	maxMethods       = 5
)

// onlyIn says which directories may import a path, or what is below it.
var onlyIn = []struct {
	path string
	dirs []string
}{
	{"oras.land", []string{"registry"}},
	{"github.com/spf13/cobra", []string{"cmd"}},
	{"github.com/spf13/pflag", []string{"cmd"}},
	{"gopkg.in/yaml.v3", []string{"schemas"}},
	{"github.com/cilium/ebpf/link", []string{"runner"}},
	{"github.com/cilium/ebpf/ringbuf", []string{"runner"}},
	{"github.com/cilium/ebpf/perf", []string{"runner"}},
	{"github.com/cilium/ebpf/features", []string{"runner"}},
	{"github.com/cilium/ebpf/rlimit", []string{"runner"}},
}

// siblings meet only in cmd.
var siblings = []string{"builder", "registry", "runner"}

// imports is the import law of docs/architecture.md.
func imports(f *File) []string {
	var broken []string
	for _, spec := range f.AST.Imports {
		p := strings.Trim(spec.Path.Value, `"`)
		if spec.Name != nil && spec.Name.Name == "_" && !f.Test() && p != "embed" && !strings.HasPrefix(p, "crypto/") {
			broken = append(broken, f.at(spec, "blank import of %s", p))
		}
		if spec.Name != nil && spec.Name.Name == "." {
			broken = append(broken, f.at(spec, "dot import of %s", p))
		}
		for _, wall := range onlyIn {
			if (p == wall.path || strings.HasPrefix(p, wall.path+"/")) && !slices.Contains(wall.dirs, f.Top()) && !f.Test() {
				broken = append(broken, f.at(spec, "imports %s: only %s does", p, strings.Join(wall.dirs, ", ")))
			}
		}
		own, ok := strings.CutPrefix(p, module+"/")
		if !ok {
			continue
		}
		to, _, _ := strings.Cut(own, "/")
		switch {
		case slices.Contains(testOnly, own) && !f.Test():
			broken = append(broken, f.at(spec, "imports %s: only tests do", own))
		case to == "cmd" && f.Top() != "cmd":
			broken = append(broken, f.at(spec, "imports %s: nothing imports cmd", own))
		case to != f.Top() && slices.Contains(siblings, to) && slices.Contains(siblings, f.Top()):
			broken = append(broken, f.at(spec, "imports %s: siblings meet only in cmd", own))
		case slices.Contains(siblings, to) && (f.Top() == "internal" || f.Top() == "schemas" || f.Top() == "gadgets") && !f.Test():
			broken = append(broken, f.at(spec, "imports %s: shared rooms know no sibling", own))
		case f.Top() == "schemas" && to != "schemas":
			broken = append(broken, f.at(spec, "imports %s: schemas stands alone", own))
		}
	}
	return broken
}

// size bounds files and functions. Tables of tests may be as long as they need.
func size(f *File) []string {
	if f.Test() {
		return nil
	}
	var broken []string
	if f.Lines > maxFileLines {
		broken = append(broken, fmt.Sprintf("%s:1: %d lines, more than %d", f.Path, f.Lines, maxFileLines))
	}
	for _, d := range f.AST.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if lines := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1; lines > maxFunctionLines {
			broken = append(broken, f.at(fn, "%s has %d lines, more than %d", fn.Name.Name, lines, maxFunctionLines))
		}
		if n := fn.Type.Params.NumFields(); n > maxParameters {
			broken = append(broken, f.at(fn, "%s has %d parameters, more than %d: use an options struct", fn.Name.Name, n, maxParameters))
		}
	}
	return broken
}

// bannedNames are package names that say nothing.
var bannedNames = []string{"util", "utils", "common", "helper", "helpers", "manager", "base", "types", "misc"}

// names refuses packages whose name says nothing.
func names(f *File) []string {
	if slices.Contains(bannedNames, f.AST.Name.Name) {
		return []string{f.at(f.AST, "package name %q says nothing", f.AST.Name.Name)}
	}
	return nil
}

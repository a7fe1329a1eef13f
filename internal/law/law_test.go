package law

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestTree applies every rule to every file of the repository.
func TestTree(t *testing.T) {
	files, err := Tree(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("found %d files: this is not the repository", len(files))
	}
	for name, rule := range Rules {
		t.Run(name, func(t *testing.T) {
			for _, f := range files {
				for _, broken := range rule(f) {
					t.Error(broken)
				}
			}
		})
	}
	t.Run("packages", func(t *testing.T) {
		for _, broken := range packageDocs(files) {
			t.Error(broken)
		}
	})
}

// TestRules shows each rule something to refuse and something to accept.
func TestRules(t *testing.T) {
	long := func(n int) string { return strings.Repeat("\n", n) }
	tests := []struct {
		name, rule, path, src string
		want                  string // part of the only finding, "" for none
	}{
		{"sibling", "imports", "runner/a.go", `package runner; import "` + module + `/registry"`, "siblings meet only in cmd"},
		{"sibling below", "imports", "builder/clang/a.go", `package clang; import "` + module + `/runner/pipe"`, "siblings meet only in cmd"},
		{"own room", "imports", "runner/a.go", `package runner; import "` + module + `/runner/pipe"`, ""},
		{"cmd", "imports", "runner/a.go", `package runner; import "` + module + `/cmd/gadget/view"`, "nothing imports cmd"},
		{"shared room", "imports", "internal/plan/a.go", `package plan; import "` + module + `/runner"`, "know no sibling"},
		{"schemas alone", "imports", "schemas/a.go", `package schemas; import "` + module + `/internal/event"`, "stands alone"},
		{"oras", "imports", "builder/a.go", `package builder; import "oras.land/oras-go/v2"`, "only registry"},
		{"oras at home", "imports", "registry/a.go", `package registry; import "oras.land/oras-go/v2"`, ""},
		{"oras by name only", "imports", "builder/a.go", `package builder; import "oras.landing/x"`, ""},
		{"kernel", "imports", "builder/a.go", `package builder; import "github.com/cilium/ebpf/link"`, "only runner"},
		{"spec side", "imports", "builder/a.go", `package builder; import "github.com/cilium/ebpf/btf"`, ""},
		{"blank", "imports", "runner/a.go", `package runner; import _ "net/http/pprof"`, "blank import"},
		{"blank embed", "imports", "gadgets/a.go", `package gadgets; import _ "embed"`, ""},
		{"dot", "imports", "runner/a.go", `package runner; import . "fmt"`, "dot import"},
		{"long file", "size", "a/a.go", "package a\n" + long(maxFileLines), "601 lines"},
		{"long function", "size", "a/a.go", "package a\nfunc f() {" + long(maxFunctionLines) + "}\n", "f has 101 lines"},
		{"parameters", "size", "a/a.go", "package a\nfunc f(a, b, c, d, e, f, g int) {}\n", "7 parameters"},
		{"fits", "size", "a/a.go", "package a\nfunc f(a int) {}\n", ""},
		{"package name", "names", "a/utils/a.go", "package utils", "says nothing"},
		{"function", "documented", "a/a.go", "package a\nfunc F() {}", "F has no comment"},
		{"method of hidden type", "documented", "a/a.go", "package a\nfunc (t t) F() {}", ""},
		{"constant in a group", "documented", "a/a.go", "package a\n// Sizes.\nconst (\nA = 1\n)", ""},
		{"constant", "documented", "a/a.go", "package a\nconst (\nA = 1\n)", "A has no comment"},
		{"print", "silence", "runner/a.go", `package runner; import "fmt"; func f() { fmt.Println() }`, "fmt.Println in a library"},
		{"exit", "silence", "runner/a.go", `package runner; import "os"; func f() { os.Exit(1) }`, "os.Exit in a library"},
		{"print in cmd", "silence", "cmd/gadget/a.go", `package main; import "fmt"; func f() { fmt.Println() }`, ""},
		{"init", "shape", "runner/a.go", `package runner; func init() {}`, "init function"},
		{"interface", "shape", "runner/a.go", `package runner; type i interface { A(); B(); C(); D(); E(); F() }`, "6 methods"},
		{"context", "shape", "runner/a.go", `package runner; import "context"; type s struct { ctx context.Context }`, "stores a context"},
	}
	for _, tt := range tests {
		t.Run(tt.rule+"/"+tt.name, func(t *testing.T) {
			f, err := Parse(tt.path, []byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			got := Rules[tt.rule](f)
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("refused: %q", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("found %q, want one finding with %q", got, tt.want)
			}
		})
	}
	var covered []string
	for _, tt := range tests {
		covered = append(covered, tt.rule)
	}
	for name := range Rules {
		if !slices.Contains(covered, name) {
			t.Errorf("rule %s has no case", name)
		}
	}
}

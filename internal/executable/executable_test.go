package executable

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// open reads a file with this package.
func open(t testing.TB, path string) *File {
	t.Helper()
	r, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	st, err := r.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(r, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func run(t testing.TB, command string, args ...string) {
	t.Helper()
	cmd := exec.Command(command, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", command, strings.Join(args, " "), err, out)
	}
}

// hello builds the small Go program.
func hello(t testing.TB, flags ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "hello")
	run(t, "go", slices.Concat([]string{"build", "-o", file}, flags, []string{"./testdata/hello"})...)
	return file
}

// compile makes a library of the C files of testdata, which need no headers.
func compile(t testing.TB, flags ...string) string {
	t.Helper()
	clang := "clang"
	if _, err := exec.LookPath(clang); err != nil {
		clang = "clang-19"
	}
	file := filepath.Join(t.TempDir(), "lib.so")
	run(t, clang, append(flags, "-O1", "-nostdlib", "-Wl,--version-script=testdata/versions", "-o", file, "testdata/first.c", "testdata/second.c")...)
	return file
}

// offsetOf is where debug/elf has a symbol, in the file.
func offsetOf(t *testing.T, path string, match func(elf.Symbol) bool) []uint64 {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if errors.Is(err, elf.ErrNoSymbols) {
		symbols, err = f.DynamicSymbols()
	}
	if err != nil {
		t.Fatal(err)
	}
	var offsets []uint64
	for _, s := range symbols {
		if match(s) {
			text := f.Sections[s.Section]
			offsets = append(offsets, s.Value-text.Addr+text.Offset)
		}
	}
	slices.Sort(offsets)
	return offsets
}

func offsets(functions []Function) []uint64 {
	var list []uint64
	for _, f := range functions {
		list = append(list, f.Offset)
	}
	slices.Sort(list)
	return list
}

func TestFunctions(t *testing.T) {
	full := compile(t, "-shared", "-fPIC")
	stripped := compile(t, "-shared", "-fPIC", "-Wl,-s")
	for _, tt := range []struct {
		name  string
		count int
		// dynamic names are in stripped files too.
		dynamic bool
	}{
		{"entrance", 1, true},
		{"trance", 1, true}, // its name is the end of another
		{"hidden", 2, false},
		{"ran", 0, false},
		{"entrance2", 0, false},
		{"answer", 0, false}, // a variable
		{"elsewhere", 0, false},
	} {
		want := offsetOf(t, full, func(s elf.Symbol) bool {
			return s.Name == tt.name && elf.ST_TYPE(s.Info) == elf.STT_FUNC && s.Section != elf.SHN_UNDEF
		})
		got, err := open(t, full).Functions(tt.name)
		if err != nil || !slices.Equal(offsets(got), want) || len(want) != tt.count {
			t.Errorf("%s: %v, %v, want %d at %v", tt.name, got, err, tt.count, want)
		}
		if got, err := open(t, stripped).Functions(tt.name); err != nil || (len(got) > 0) != tt.dynamic {
			t.Errorf("%s, stripped: %v, %v", tt.name, got, err)
		}
	}
	chosen, err := open(t, full).Functions("chosen")
	if err != nil || len(chosen) != 1 || !chosen[0].Chooser {
		t.Errorf("chosen: %v, %v, want a chooser", chosen, err)
	}
	hidden, err := open(t, full).Matching(func(name string) bool { return strings.HasPrefix(name, "h") }, 10)
	if err != nil || len(hidden) != 2 {
		t.Errorf("h*: %v, %v, want both functions hidden", hidden, err)
	}
	if one, err := open(t, full).Matching(func(string) bool { return true }, 1); err != nil || len(one) != 1 {
		t.Errorf("%v, %v, want one", one, err)
	}
}

// TestVersions checks names that have a version in them.
func TestVersions(t *testing.T) {
	lib := compile(t, "-shared", "-fPIC")
	for _, name := range []string{"versioned", "versioned_first", "versioned_second"} {
		want := offsetOf(t, lib, func(s elf.Symbol) bool {
			plain, _, _ := strings.Cut(s.Name, "@")
			return plain == name
		})
		got, err := open(t, lib).Functions(name)
		if err != nil || len(want) == 0 || !slices.Equal(offsets(got), slices.Compact(want)) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, want)
		}
	}
}

// TestGoSymbols looks at a Go program that has a symbol table.
func TestGoSymbols(t *testing.T) {
	path := hello(t)
	f := open(t, path)
	for _, name := range []string{"main.main", "runtime.mallocgc", "os.(*File).Write"} {
		want := offsetOf(t, path, func(s elf.Symbol) bool { return s.Name == name })
		got, err := f.Functions(name)
		if err != nil || len(want) == 0 || !slices.Equal(offsets(got), want) || !got[0].Go {
			t.Errorf("%s: %v, %v, want %v of Go", name, got, err, want)
		}
	}
}

// TestGo finds functions of stripped Go programs, and compares with debug/gosym.
func TestGo(t *testing.T) {
	for _, mode := range []string{"exe", "pie"} {
		path := hello(t, "-buildmode="+mode, "-ldflags=-s -w")
		known, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer known.Close()
		pclntab := known.Section(".gopclntab")
		if pclntab == nil {
			pclntab = known.Section(".data.rel.ro.gopclntab")
		}
		data, err := pclntab.Data()
		if err != nil {
			t.Fatal(err)
		}
		text := known.Section(".text")
		table, err := gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr))
		if err != nil {
			t.Fatal(err)
		}
		f := open(t, path)
		for _, name := range []string{"main.main", "main.greet", "runtime.mallocgc"} {
			want := table.LookupFunc(name)
			got, err := f.Functions(name)
			if err != nil || len(got) != 1 || !got[0].Go || want == nil || got[0].Offset != want.Entry-text.Addr+text.Offset || got[0].Size != want.End-want.Entry {
				t.Errorf("%s %s: %+v, %v, want %+v", mode, name, got, err, want)
			}
		}
		if got, err := f.Functions("main.nobody"); err != nil || got != nil {
			t.Errorf("main.nobody: %v, %v", got, err)
		}
		got, err := f.Matching(func(name string) bool { return strings.HasPrefix(name, "main.") }, 100)
		if err != nil || len(got) != 2 {
			t.Errorf("main.*: %v, %v", got, err)
		}
		// Without the place that the first way looks at, the others give the same.
		f.goTable, f.code = nil, nil
		again, err := f.Functions("main.greet")
		first, _ := open(t, path).Functions("main.greet")
		if err != nil || !slices.Equal(again, first) {
			t.Errorf("by the module's data: %v, %v, want %v", again, err, first)
		}
	}
}

// nop is the first byte of the instruction.
var nop = map[string]byte{"amd64": 0x90, "arm64": 0x1f}[runtime.GOARCH]

func TestProbes(t *testing.T) {
	lib := compile(t, "-shared", "-fPIC")
	f := open(t, lib)
	got, err := f.Probes("shop", "sale")
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v, want two places", got, err)
	}
	for _, p := range got {
		if p.Semaphore == 0 || p.Arguments != "-4@$7 8@%rdi" {
			t.Errorf("%+v", p)
		}
		var b [1]byte
		if _, err := f.r.ReadAt(b[:], int64(p.Offset)); err != nil || b[0] != nop {
			t.Errorf("%#x at %#x is no nop: %v", b, p.Offset, err)
		}
	}
	if got, err := f.Probes("shop", "closed"); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if names := f.ProbeNames(10); !slices.Equal(names, []string{"shop:sale", "shop:sale"}) {
		t.Errorf("%q", names)
	}
	// A base that has moved moves the probe.
	f.notesBase.addr -= 4
	if moved, err := f.Probes("shop", "sale"); err != nil || moved[0].Offset != got[0].Offset-4 {
		t.Errorf("%v, %v", moved, err)
	}
}

func TestNeeds(t *testing.T) {
	lib := compile(t, "-shared", "-fPIC", "-Wl,-soname,libfirst.so.1")
	user := compile(t, "-shared", "-fPIC", "-Wl,--no-as-needed", lib)
	if got, err := open(t, user).Needs(); err != nil || !slices.Equal(got, []string{"libfirst.so.1"}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := open(t, lib).Needs(); err != nil || len(got) > 0 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFormat(t *testing.T) {
	elfFile, err := os.ReadFile(compile(t, "-shared", "-fPIC"))
	if err != nil {
		t.Fatal(err)
	}
	foreign := slices.Clone(elfFile)
	foreign[18], foreign[19] = byte(elf.EM_S390), 0
	for name, b := range map[string][]byte{
		"empty": nil, "script": []byte("#!/bin/sh\n"), "short": elfFile[:40], "foreign": foreign,
	} {
		if _, err := New(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// everything asks all that can be asked of a file.
func everything(b []byte) {
	f, err := New(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return
	}
	functions, _ := f.Functions("entrance")
	_, _ = f.Functions("main.main")
	_, _ = f.Matching(func(string) bool { return true }, 100)
	for _, fn := range functions {
		if fn.Offset >= uint64(len(b)) {
			panic("a function behind the end of the file")
		}
	}
	probes, _ := f.Probes("shop", "sale")
	for _, p := range probes {
		if p.Offset >= uint64(len(b)) {
			panic("a probe behind the end of the file")
		}
	}
	f.ProbeNames(100)
	_, _ = f.Needs()
}

func FuzzFile(f *testing.F) {
	for _, flags := range [][]string{{"-shared", "-fPIC"}, {"-static", "-Wl,-e,entrance", "-Wl,--unresolved-symbols=ignore-all"}} {
		b, err := os.ReadFile(compile(f, flags...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(goTableFile())
	f.Fuzz(func(_ *testing.T, b []byte) { everything(b) })
}

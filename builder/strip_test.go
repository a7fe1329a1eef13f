package builder

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
)

// unstripped compiles a small program with DWARF in it.
func unstripped(t testing.TB) []byte {
	t.Helper()
	clang, err := FindClang(t.Context(), os.Getenv("PATH"))
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "o")
	cmd := exec.Command(clang.Path, "-target", "bpf", "-O2", "-g", "-c", "testdata/strip/program.c", "-o", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	object, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func TestStripDebug(t *testing.T) {
	before := unstripped(t)
	after, err := stripDebug(before)
	if err != nil {
		t.Fatal(err)
	}
	if len(after) >= len(before) {
		t.Errorf("stripped object has %d bytes, the original %d", len(after), len(before))
	}
	f, err := elf.NewFile(bytes.NewReader(after))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range f.Sections {
		if strings.Contains(s.Name, "debug") {
			t.Errorf("section %s is still there", s.Name)
		}
	}
	for _, name := range []string{".BTF", ".BTF.ext", ".rel.BTF.ext", ".maps", "license", "raw_tp/sys_exit"} {
		if f.Section(name) == nil {
			t.Errorf("section %s is gone", name)
		}
	}

	want, got := describe(t, before), describe(t, after)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the loader sees another object (-original +stripped):\n%s", diff)
	}
	again, err := stripDebug(after)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, after) {
		t.Error("stripping a stripped object changes it")
	}
}

// describe returns what a loader reads from an object: programs with their
// relocations, source lines and types, maps, variables.
func describe(t *testing.T, object []byte) map[string]string {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for name, p := range spec.Programs {
		text := p.Type.String() + " " + p.License + "\n"
		for _, ins := range p.Instructions {
			text += fmt.Sprintf("%v ref=%s sym=%s", ins, ins.Reference(), ins.Symbol())
			if src := ins.Source(); src != nil {
				text += " ; " + src.String()
			}
			text += "\n"
		}
		out["program "+name] = text
	}
	for name, m := range spec.Maps {
		out["map "+name] = m.String()
	}
	for name, v := range spec.Variables {
		out["variable "+name] = v.String()
	}
	return out
}

func FuzzStripDebug(f *testing.F) {
	object := unstripped(f)
	f.Add(object)
	f.Add(object[:200])
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, object []byte) {
		out, err := stripDebug(object)
		if err == nil {
			if _, err := elf.NewFile(bytes.NewReader(out)); err != nil {
				t.Errorf("stripped object is no ELF: %v", err)
			}
		}
	})
}

// Package gadgettest compiles gadgets from source for the tests of other
// packages. Only tests import it.
package gadgettest

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/gadget-bpf/gadget/builder"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

// Object compiles program.bpf.c of a directory for this machine.
func Object(t testing.TB, dir string) []byte {
	t.Helper()
	return Compile(t, filepath.Join(dir, "program.bpf.c"))
}

// Compile compiles one file for this machine.
func Compile(t testing.TB, file string) []byte {
	t.Helper()
	object, err := builder.Compile(t.Context(), file, "linux/"+runtime.GOARCH, builder.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// Plan compiles a directory and plans it; a gadget.yaml must be without fault.
func Plan(t testing.TB, dir string) *plan.Plan {
	t.Helper()
	p, err := plan.New(Object(t, dir), Metadata(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Metadata parses gadget.yaml of a directory; nil when there is none.
func Metadata(t testing.TB, dir string) *schemas.Metadata {
	t.Helper()
	file := filepath.Join(dir, "gadget.yaml")
	src, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	md, problems, err := schemas.ParseMetadata(file, src)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	return md
}

// NeedRoot skips a test that needs privileges where there are none. CI runs as
// root and refuses skips.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

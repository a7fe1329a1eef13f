package verifier_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/runner/verifier"
)

var update = flag.Bool("update", false, "write golden files")

func text(f verifier.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\tat: %s\n", f.Reason, f.At.Text)
	for _, v := range f.Known {
		fmt.Fprintf(&b, "\t%s: %s\n", v.Register, v.Words)
	}
	fmt.Fprintf(&b, "\t%s\n\t%s\n", f.Cause, f.Fix)
	return b.String()
}

// TestRecorded reads what several kernels said of the programs of bad.bpf.c.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}
	causes := map[string]bool{}
	for _, file := range files {
		logs, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		for _, l := range logs.Files {
			f := verifier.Read(strings.Split(string(l.Data), "\n"), nil)
			if f.Cause == "" || f.Fix == "" {
				t.Errorf("%s: %s: no cause for %q", file, l.Name, f.Reason)
			}
			causes[f.Cause] = true
			fmt.Fprintf(&got, "%s: %s", l.Name, text(f))
		}
		golden := strings.TrimSuffix(file, ".txtar") + ".golden"
		if *update {
			if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s -want +got:\n%s", golden, diff)
		}
	}
	if len(causes) < 20 {
		t.Errorf("only %d different causes are recorded", len(causes))
	}
}

// accepted are programs that new kernels have learnt to accept.
var accepted = []string{"stack_too_deep", "stack_unwritten"}

// TestRefused loads the programs of bad.bpf.c into this kernel.
func TestRefused(t *testing.T) {
	gadgettest.NeedRoot(t)
	source, err := os.ReadFile("testdata/bad.bpf.c")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(source), "\n")
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(gadgettest.Compile(t, "testdata/bad.bpf.c")))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Programs)) {
		if name == "loop_too_long" { // a million instructions, one line of the log each
			continue
		}
		t.Run(name, func(t *testing.T) {
			alone := spec.Copy()
			alone.Programs = map[string]*ebpf.ProgramSpec{name: alone.Programs[name]}
			coll, err := ebpf.NewCollection(alone)
			if err == nil {
				coll.Close()
				if !slices.Contains(accepted, name) {
					t.Error("the kernel accepts it")
				}
				return
			}
			var refused *ebpf.VerifierError
			if !errors.As(err, &refused) {
				t.Fatal(err)
			}
			f := verifier.Read(refused.Log, spec.Programs[name].Instructions)
			t.Log(text(f))
			if f.Cause == "" {
				t.Errorf("no cause for %q", f.Reason)
			}
			if f.At.Line < 1 || f.At.Line > len(lines) || lines[f.At.Line-1] != f.At.Text || f.At.Column < 1 {
				t.Errorf("it is not at %+v", f.At)
			}
			if name == "record_kept" && !strings.Contains(f.Reserved.Text, "bpf_ringbuf_reserve") {
				t.Errorf("reserved at %+v", f.Reserved)
			}
		})
	}
}

// FuzzRead reads anything as a log.
func FuzzRead(f *testing.F) {
	f.Add("0: (79) r1 = *(u64 *)(r0 +0) ; R0=map_value_or_null(id=1,map=x\nR0 invalid mem access 'map_value_or_null'")
	f.Add("; a @ b.c:99999999999999999999\nfrom 1 to 2: R1_w=inv(id=0,umax_value=3) R2=fp-8\nUnreleased reference id=2 alloc_insn=99")
	f.Fuzz(func(t *testing.T, log string) {
		if f := verifier.Read(strings.Split(log, "\n"), nil); len(f.Known) > 3 {
			t.Error("too much is known")
		}
	})
}

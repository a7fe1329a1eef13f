package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/runner/doctor"
)

func TestWriteReport(t *testing.T) {
	report := &doctor.Report{Kernel: "6.1", Arch: "amd64", Runs: true, Checks: []doctor.Check{
		{Section: doctor.Hooks, Name: "tracepoint", State: doctor.OK},
		{Section: doctor.Hooks, Name: "kprobe", State: doctor.Missing, Detail: "it is not there", Remedy: "use another kernel", Blocks: []string{"a", "b"}},
		{Section: doctor.Containers, Name: "docker", State: doctor.Limited, Detail: "\x1b[2Jnasty"},
		{Section: doctor.Containers, Name: "watcher", State: doctor.Unknown, Vital: true, Detail: "not tried"},
	}}
	const want = `Linux 6.1, amd64

HOOKS
  ok       tracepoint
  missing  kprobe      it is not there
                       → use another kernel
                       does not run: a, b

CONTAINERS
  limited  docker      \x1b[2Jnasty
  unknown  watcher     not tried

Gadgets run here: 1 ok, 1 limited, 1 missing, 1 unknown.
`
	write := func(term view.Terminal) string {
		var b strings.Builder
		if err := writeReport(&b, term, report); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if diff := cmp.Diff(want, write(view.Terminal{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := write(view.Terminal{Color: true}); !strings.Contains(got, "\x1b[32mok     \x1b[0m  tracepoint\n") || !strings.Contains(got, "\x1b[1;31mmissing\x1b[0m  kprobe") {
		t.Errorf("in colour:\n%q", got)
	}
	report.Runs = false
	if got := write(view.Terminal{}); !strings.HasSuffix(got, "\nNo gadget with an eBPF program runs here: watcher.\n") {
		t.Errorf("got\n%s", got)
	}
	report.Checks = report.Checks[1:2]
	if got := write(view.Terminal{}); !strings.HasSuffix(got, "runs here: no hook works.\n") {
		t.Errorf("got\n%s", got)
	}
}

// TestToolChecks looks at places where there is nothing.
func TestToolChecks(t *testing.T) {
	vars := map[string]string{"PATH": t.TempDir()}
	a := &app{streams: streams{env: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}}
	want := doctor.Check{Section: "building", Name: "clang", State: doctor.Missing, Remedy: "apt install clang llvm",
		Detail: "compile eBPF: no clang on PATH (tried clang and clang-N, version 14 or later is needed)"}
	if diff := cmp.Diff(want, a.clangCheck(t.Context())); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	a.global.store = filepath.Join(t.TempDir(), "new")
	if c := a.storeCheck(); c.State != doctor.OK || !strings.HasSuffix(c.Detail, "/new comes into being with the first image") {
		t.Errorf("a new store: %+v", c)
	}
	a.global.store = t.TempDir()
	if err := os.WriteFile(filepath.Join(a.global.store, "oci-layout"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := a.storeCheck(); c.State != doctor.Missing || c.Remedy == "" {
		t.Errorf("a broken store: %+v", c)
	}
}

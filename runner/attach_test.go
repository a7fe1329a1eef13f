package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

// objectOf compiles programs that do nothing, one for each section, named p0, p1 and so on.
func objectOf(t *testing.T, sections ...string) []byte {
	t.Helper()
	source := "#include <vmlinux.h>\n#include <bpf/bpf_helpers.h>\nchar LICENSE[] SEC(\"license\") = \"GPL\";\n"
	for i, s := range sections {
		source += fmt.Sprintf("SEC(%q) int p%d(void *ctx) { return 0; }\n", s, i)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "program.bpf.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return gadgettest.Object(t, dir)
}

// planObject plans an object with the text of a gadget.yaml.
func planObject(t *testing.T, object []byte, metadata string) *plan.Plan {
	t.Helper()
	md, problems, err := schemas.ParseMetadata("gadget.yaml", []byte(metadata))
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	p, err := plan.New(object, md)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSections checks what is said of every kind of program before anything is loaded.
func TestSections(t *testing.T) {
	const (
		ok        = ""
		permitted = "it could "
		later     = "not supported by this version of gadget; there are "
	)
	tests := []struct{ section, want string }{
		{"tracepoint/syscalls/sys_enter_openat", ok}, {"tp/sched/sched_switch", ok},
		{"raw_tp/sys_enter", ok}, {"raw_tracepoint/sys_enter", ok}, {"tp_btf/sys_enter", ok},
		{"kprobe/do_exit", ok}, {"kprobe/do_exit+0x4", ok}, {"kretprobe/do_exit", ok}, {"?kprobe/do_exit", ok},
		{"ksyscall/openat", ok}, {"kretsyscall/openat", ok},
		{"kprobe.multi/vfs_*", ok}, {"kretprobe.multi/vfs_read,vfs_w*", ok}, {"kprobe.session/vfs_*", ok},
		{"fentry/do_exit", ok}, {"fexit/do_exit", ok}, {"fentry.s/do_exit", ok}, {"fexit.s/do_exit", ok},
		{"lsm/file_open", ok}, {"lsm.s/file_open", ok},
		{"iter/task", ok}, {"iter.s/task", ok}, {"iter/bpf_map_elem", ok},

		{"kprobe/vfs_*", "patterns and lists are for kprobe.multi"},
		{"kprobe", "its section names no function; write kprobe/NAME"},
		{"kprobe.multi/vfs_[", "no list of functions"}, {"kprobe.multi/a,,b", "no list of functions"},
		{"tracepoint/sys_enter", "write category/name"},
		{"perf_event/cpu", "add: programs: {cpu: {perf: {type: software, config: count_sw_cpu_clock}, sampler: {frequency: 99}}}"},

		{"fmod_ret/do_exit", permitted}, {"fmod_ret.s/do_exit", permitted}, {"freplace/f", permitted},
		{"struct_ops/init", permitted}, {"raw_tp.w/x", permitted}, {"raw_tracepoint.w/x", permitted},
		{"sk_lookup", permitted}, {"sk_reuseport", permitted}, {"xdp", permitted}, {"xdp_main", permitted}, {"xdp.frags", permitted},
		{"action", permitted}, {"netfilter", permitted}, {"lwt_in", permitted}, {"lwt_xmit", permitted}, {"flow_dissector", permitted},
		{"cgroup/sock_create", permitted}, {"cgroup/connect4", permitted}, {"cgroup/setsockopt", permitted},
		{"cgroup/sysctl", permitted}, {"cgroup/dev", permitted}, {"lsm_cgroup/socket_bind", permitted}, {"lirc_mode2", permitted},

		{"syscall", later}, {"kprobe.sesion/vfs_*", later}, {"anything", later},
	}
	var sections []string
	for _, tt := range tests {
		sections = append(sections, tt.section)
	}
	p := planObject(t, objectOf(t, sections...), "")
	if len(p.Programs) != len(tests) {
		t.Errorf("%d programs, want %d", len(p.Programs), len(tests))
	}
	for i := range p.Programs {
		prog := &p.Programs[i]
		err := supported(prog)
		at := slices.Index(sections, prog.Section)
		want := tests[at].want
		switch {
		case want == ok && err != nil, want != ok && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v, want %q", prog.Section, err, want)
		case errors.Is(err, ErrNotPermitted) != (want == permitted), errors.Is(err, ErrNotSupported) != (want == later):
			t.Errorf("%s: error %v is of another kind", prog.Section, err)
		}
	}
}

func TestHookNames(t *testing.T) {
	got := map[string]string{}
	for _, s := range []string{"tp/a/b", "raw_tracepoint/x", "tp_btf/x", "kprobe.multi/vfs_*", "fentry.s/x", "ksyscall/x", "lsm.s/x", "iter/x", "?kprobe/x"} {
		_, hook, _ := strings.Cut(s, "/")
		got[s] = hookName(s, hook)
	}
	want := map[string]string{
		"tp/a/b": "tracepoint a/b", "raw_tracepoint/x": "raw tracepoint x", "tp_btf/x": "raw tracepoint x",
		"kprobe.multi/vfs_*": "function like vfs_*", "fentry.s/x": "function x", "ksyscall/x": "system call x",
		"lsm.s/x": "LSM hook x", "iter/x": "iterator x", "?kprobe/x": "function x",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseCPUs(t *testing.T) {
	tests := []struct {
		list string
		want []int
	}{
		{"0\n", []int{0}}, {"0-3\n", []int{0, 1, 2, 3}}, {"0-1,4,6-7\n", []int{0, 1, 4, 6, 7}},
		{"", nil}, {"1-0", nil}, {"x", nil}, {"1-", nil},
	}
	for _, tt := range tests {
		got, err := parseCPUs(tt.list)
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) {
			t.Errorf("%q: %v, error %v, want %v", tt.list, got, err, tt.want)
		}
	}
}

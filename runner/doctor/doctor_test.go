package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/host"
)

func capabilities(list ...int) (c host.Capabilities) {
	for _, id := range list {
		c |= 1 << id
	}
	return c
}

func TestCapabilities(t *testing.T) {
	tests := []struct {
		name   string
		caps   host.Capabilities
		may    bool
		states []State
		remedy string // of the first that has one
	}{
		{"root", ^host.Capabilities(0), true, []State{OK, OK, OK, OK}, ""},
		{"nobody", 0, false, []State{Missing, Limited, Limited, Limited}, "sudo setcap cap_bpf,cap_perfmon+ep $(command -v gadget)"},
		{"half", capabilities(unix.CAP_BPF, unix.CAP_NET_ADMIN), false, []State{Missing, Limited, Limited, Limited}, "sudo setcap cap_perfmon+ep "},
		{"setcap", capabilities(unix.CAP_BPF, unix.CAP_PERFMON), true, []State{OK, Limited, Limited, Limited}, "sudo setcap cap_sys_ptrace+ep "},
		{"old root", capabilities(unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE), true, []State{OK, OK, OK, Limited}, "cap_net_admin,cap_net_raw+ep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if may := mayLoad(tt.caps); may != tt.may {
				t.Errorf("may load: %v", may)
			}
			var states []State
			remedy := ""
			for _, c := range capabilityChecks(tt.caps) {
				states = append(states, c.State)
				if remedy == "" {
					remedy = c.Remedy
				}
			}
			if diff := cmp.Diff(tt.states, states); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if !strings.Contains(remedy, tt.remedy) || (remedy == "") != (tt.remedy == "") {
				t.Errorf("remedy %q, want %q in it", remedy, tt.remedy)
			}
		})
	}
}

func TestHookChecks(t *testing.T) {
	refused := fmt.Errorf("load: program: %w (MEMLOCK may be too low)", unix.EPERM)
	invalid := fmt.Errorf("attach: create link: %w", unix.EINVAL)
	lacking := fmt.Errorf("attach: %w", &runner.HostError{Need: "kprobes", Hint: "use another kernel"})
	known := host.Config{}
	for _, f := range families {
		for _, o := range f.options {
			known[o] = true
		}
	}
	without := func(option string) host.Config {
		c := host.Config{}
		for o := range known {
			c[o] = o != option
		}
		return c
	}
	tests := []struct {
		name   string
		hook   string
		failed map[string]error
		config host.Config
		want   Check
	}{
		{"works", "kprobe", nil, known, Check{State: OK}},
		{"built without", "kprobe", map[string]error{"kprobe": lacking}, without("CONFIG_KPROBES"),
			Check{State: Missing, Detail: "this host lacks kprobes", Remedy: "use a kernel built with CONFIG_KPROBES, which this one is not"}},
		{"unknown configuration", "kprobe", map[string]error{"kprobe": lacking}, nil,
			Check{State: Missing, Detail: "this host lacks kprobes", Remedy: "use another kernel"}},
		{"refused", "fentry", map[string]error{"fentry": refused}, known,
			Check{State: Missing, Detail: "load: operation not permitted",
				Remedy: "the kernel has it, and refuses it: lockdown, a security module, seccomp or a hypervisor is in the way"}},
		{"refused, unknown configuration", "fentry", map[string]error{"fentry": refused}, nil,
			Check{State: Missing, Detail: "load: operation not permitted",
				Remedy: "use Linux 5.5 or later built with CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS and CONFIG_BPF_JIT"}},
		{"too old", "tcx", map[string]error{"tcx": invalid}, known,
			Check{State: Missing, Detail: "attach: create link: invalid argument", Remedy: "use Linux 6.6 or later"}},
		{"stand-in", "kprobe.multi", map[string]error{"kprobe.multi": invalid}, without("CONFIG_FPROBE"),
			Check{State: Limited, Detail: "functions are attached one by one, at most 512",
				Remedy: "use Linux 5.18 or later built with CONFIG_FPROBE, which this one is not"}},
		{"stand-in is missing too", "uprobe.multi", map[string]error{"uprobe.multi": invalid, "uprobe": invalid}, known,
			Check{State: Missing, Detail: "attach: create link: invalid argument", Remedy: "use Linux 6.6 or later"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checks := hookChecks(tt.failed, tt.config)
			if len(checks) != len(families) {
				t.Errorf("%d checks of %d families", len(checks), len(families))
			}
			tt.want.Name = tt.hook
			for _, c := range checks {
				if c.Name != tt.hook {
					continue
				}
				if diff := cmp.Diff(tt.want, c); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			}
		})
	}
}

func TestSmallChecks(t *testing.T) {
	gone := fmt.Errorf("open: %w", fs.ErrNotExist)
	tests := []struct {
		name   string
		got    Check
		state  State
		detail string
		remedy string
	}{
		{"lockdown", lockdownCheck("none [integrity] confidentiality", nil), OK, "integrity", ""},
		{"no lockdown", lockdownCheck("[none] integrity confidentiality", nil), OK, "none", ""},
		{"tight lockdown", lockdownCheck("none integrity [confidentiality]", nil), Limited, "kprobes are refused", "lockdown=integrity"},
		{"lockdown not there", lockdownCheck("", gone), OK, "not active", ""},
		{"lockdown unreadable", lockdownCheck("", unix.EPERM), Unknown, "not permitted", ""},
		{"jit", jitCheck("1", nil), OK, "machine code", ""},
		{"jit off", jitCheck("0", nil), Limited, "interpreted", "sysctl -w net.core.bpf_jit_enable=1"},
		{"no jit", jitCheck("", gone), Limited, "interpreted", "CONFIG_BPF_JIT"},
		{"cgroups 2", cgroups(map[string][]string{"cgroup2": {"/sys/fs/cgroup"}}), OK, "version 2 at /sys/fs/cgroup", ""},
		{"hybrid", cgroups(map[string][]string{"cgroup": {"/a"}, "cgroup2": {"/a/unified"}}), OK, "hybrid: version 2 at /a/unified", ""},
		{"cgroups 1", cgroups(map[string][]string{"cgroup": {"/a"}}), Limited, "not mounted", "mount -t cgroup2"},
		{"no bpffs", mounted(nil, "bpf", "maps cannot be pinned", "mount it"), Limited, "not mounted: maps cannot be pinned", "mount it"},
		{"docker", runtimeCheck(container.Runtime{Socket: "/s", Version: "27"}), OK, "27 at /s", ""},
		{"deaf docker", runtimeCheck(container.Runtime{Err: errors.New("no answer")}), Limited, "no answer", "DOCKER_HOST"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got.State != tt.state || !strings.Contains(tt.got.Detail, tt.detail) ||
				!strings.Contains(tt.got.Remedy, tt.remedy) || tt.remedy == "" && tt.got.Remedy != "" {
				t.Errorf("got %+v", tt.got)
			}
		})
	}
}

func TestRuns(t *testing.T) {
	hook := Check{Section: Hooks, State: OK}
	tests := []struct {
		name   string
		checks []Check
		want   bool
	}{
		{"all", []Check{{Vital: true, State: OK}, hook}, true},
		{"something is missing", []Check{{Vital: true, State: Limited}, {State: Missing}, hook}, true},
		{"something vital is", []Check{{Vital: true, State: Missing}, hook}, false},
		{"not tried", []Check{{Vital: true, State: Unknown}, hook}, false},
		{"no hook", []Check{{Section: Hooks, State: Missing}, {State: OK}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := runs(tt.checks); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestBlock(t *testing.T) {
	r := &Report{Checks: []Check{{Section: Hooks, Name: "kprobe", State: Missing}, {Section: Hooks, Name: "uprobe", State: OK}}}
	for kind, want := range map[string]bool{"kprobe": true, "kretsyscall": true, "ksyscall": true, "usdt": false, "xdp": false} {
		if got := r.Lacks(kind); got != want {
			t.Errorf("lacks %s: %v", kind, got)
		}
	}
	r.Block("kretprobe", "a")
	r.Block("kprobe", "a")
	r.Block("xdp", "b")
	if diff := cmp.Diff([]string{"a"}, r.Checks[0].Blocks); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestExamine looks at this machine. What every machine has is there; what its
// configuration says that it lacks is missing, with the option in the remedy.
func TestExamine(t *testing.T) {
	gadgettest.NeedRoot(t)
	r := Examine(t.Context(), Options{})
	found := map[string]Check{}
	for _, c := range r.Checks {
		found[c.Name] = c
		if c.Section == "" || c.State == Missing && c.Detail == "" {
			t.Errorf("says too little: %+v", c)
		}
	}
	if !r.Runs || r.Kernel == "" || r.Arch == "" {
		t.Errorf("runs %v on kernel %q, %q", r.Runs, r.Kernel, r.Arch)
	}
	for _, name := range []string{"load programs", "BTF", "tracepoint", "raw_tp", "tp_btf", "uprobe", "perf_event", "iter", "socket",
		"ringbuf", "task_storage", "watcher"} {
		if c := found[name]; c.State != OK {
			t.Errorf("%s: %+v", name, c)
		}
	}
	config, err := host.ReadConfig()
	if err != nil {
		t.Skip(err)
	}
	if c := found["kprobe"]; config["CONFIG_KPROBES"] != (c.State == OK) ||
		c.State == Missing && !strings.Contains(c.Remedy, "CONFIG_KPROBES") {
		t.Errorf("kprobes are configured: %v, found %+v", config["CONFIG_KPROBES"], c)
	}
	if c := found["fentry"]; c.State == Missing && c.Remedy == "" {
		t.Errorf("no remedy: %+v", c)
	}
}

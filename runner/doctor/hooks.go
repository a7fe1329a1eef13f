package doctor

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/runner/host"
)

// family is a kind of hook.
type family struct {
	name string
	// since is the version of Linux that brought it, for remedies only.
	since string
	// options that the kernel must be built with.
	options []string
	// standIn is the family that does instead, and how.
	standIn, how string
}

var families = []family{
	{name: "tracepoint", options: []string{"CONFIG_EVENT_TRACING", "CONFIG_BPF_EVENTS"}},
	{name: "raw_tp", options: []string{"CONFIG_BPF_EVENTS"}},
	{name: "tp_btf", options: []string{"CONFIG_BPF_EVENTS", "CONFIG_DEBUG_INFO_BTF"}},
	{name: "kprobe", options: []string{"CONFIG_KPROBES", "CONFIG_KPROBE_EVENTS"}},
	{name: "kprobe.multi", since: "5.18", options: []string{"CONFIG_KPROBES", "CONFIG_FPROBE"},
		standIn: "kprobe", how: "functions are attached one by one, at most 512"},
	{name: "kprobe.session", since: "6.10", options: []string{"CONFIG_KPROBES", "CONFIG_FPROBE"}},
	{name: "fentry", since: "5.5", options: []string{"CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS", "CONFIG_BPF_JIT"}},
	{name: "fexit", since: "5.5", options: []string{"CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS", "CONFIG_BPF_JIT"}},
	{name: "lsm", since: "5.7", options: []string{"CONFIG_BPF_LSM", "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS", "CONFIG_BPF_JIT"}},
	{name: "uprobe", options: []string{"CONFIG_UPROBE_EVENTS"}},
	{name: "uprobe.multi", since: "6.6", options: []string{"CONFIG_UPROBE_EVENTS"},
		standIn: "uprobe", how: "functions are attached one by one, and take 0.1 s each to detach"},
	{name: "perf_event", options: []string{"CONFIG_PERF_EVENTS"}},
	{name: "iter", since: "5.8", options: []string{"CONFIG_DEBUG_INFO_BTF"}},
	{name: "socket", options: []string{"CONFIG_PACKET"}},
	{name: "tcx", since: "6.6", options: []string{"CONFIG_NET_XGRESS"}},
	{name: "cgroup", options: []string{"CONFIG_CGROUP_BPF"}},
}

// familyOf is the family that programs of a kind ([plan.Program]) belong to.
func familyOf(kind string) string {
	switch kind {
	case "kretprobe", "ksyscall", "kretsyscall":
		return "kprobe"
	case "kretprobe.multi":
		return "kprobe.multi"
	case "uretprobe", "usdt":
		return "uprobe"
	case "uretprobe.multi":
		return "uprobe.multi"
	}
	return kind
}

// hooks attaches a program of each family.
func hooks(may bool, config host.Config, mounts map[string][]string) []Check {
	if !may {
		var checks []Check
		for _, f := range families {
			checks = append(checks, Check{Name: f.name, State: Unknown, Detail: notTried})
		}
		return checks
	}
	var (
		mu     sync.Mutex
		group  sync.WaitGroup
		failed = map[string]error{}
	)
	try := func(name string, probe func() error) {
		group.Go(func() {
			err := probe()
			mu.Lock()
			defer mu.Unlock()
			failed[name] = err
		})
	}
	try("socket", probeSocket)
	try("tcx", probeTCX)
	try("cgroup", func() error { return probeCgroup(mounts["cgroup2"]) })
	shared := runner.ProbeHooks(plan.HookKinds())
	group.Wait()
	for kind, err := range shared {
		failed[kind] = err
	}
	return hookChecks(failed, config)
}

// hookChecks words what did not work.
func hookChecks(failed map[string]error, config host.Config) []Check {
	var checks []Check
	for _, f := range families {
		c := Check{Name: f.name, State: OK}
		if err := failed[f.name]; err != nil {
			c.State, c.Detail, c.Remedy = Missing, reason(err), f.remedy(err, config)
			if f.standIn != "" && failed[f.standIn] == nil {
				c.State, c.Detail = Limited, f.how
			}
		}
		checks = append(checks, c)
	}
	return checks
}

// reason words an error without what libraries guess, in one line.
func reason(err error) string {
	var lack *runner.HostError
	if errors.As(err, &lack) {
		return lack.Error()
	}
	if errors.Is(err, unix.EPERM) {
		step, _, _ := strings.Cut(err.Error(), ":")
		return step + ": operation not permitted"
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// remedy says what would give this host the hook.
func (f *family) remedy(err error, config host.Config) string {
	var lack *runner.HostError
	without := config.Without(f.options...)
	kernel := "a kernel"
	if f.since != "" {
		kernel = "Linux " + f.since + " or later"
	}
	switch {
	case len(without) > 0:
		return fmt.Sprintf("use %s built with %s, which this one is not", kernel, strings.Join(without, " and "))
	case errors.As(err, &lack):
		return lack.Hint
	case config != nil && errors.Is(err, unix.EPERM):
		return "the kernel has it, and refuses it: lockdown, a security module, seccomp or a hypervisor is in the way"
	case config != nil && f.since == "":
		return ""
	case config != nil:
		return fmt.Sprintf("use %s", kernel)
	}
	return fmt.Sprintf("use %s built with %s", kernel, strings.Join(f.options, " and "))
}

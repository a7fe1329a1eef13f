package doctor

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/runner/host"
)

// notTried is the detail of checks that need more than this process may.
const notTried = "not tried: needs root, or CAP_BPF and CAP_PERFMON"

// setcap is how a file gets capabilities.
const setcap = "run gadget as root, or: sudo setcap %s+ep $(command -v gadget)"

// mayLoad reports whether programs and maps can be loaded at all.
func mayLoad(caps host.Capabilities) bool {
	return caps.Has(unix.CAP_SYS_ADMIN) || caps.Has(unix.CAP_BPF) && caps.Has(unix.CAP_PERFMON)
}

func permissions(caps host.Capabilities, err error) []Check {
	if err != nil {
		return []Check{{Name: "load programs", State: Unknown, Vital: true, Detail: err.Error(), Remedy: "mount /proc"}}
	}
	checks := capabilityChecks(caps)
	if mayLoad(caps) {
		checks = append(checks, memlock())
	}
	return checks
}

// capabilityChecks say what a process with these capabilities can do.
func capabilityChecks(caps host.Capabilities) []Check {
	needs := []struct {
		name, without string
		lacking       State
		caps          []int
	}{
		{"load programs", "no program can be loaded", Missing, []int{unix.CAP_BPF, unix.CAP_PERFMON}},
		{"see all processes", "rows from /proc, and the namespaces of containers, are those of your own processes only", Limited, []int{unix.CAP_SYS_PTRACE}},
		{"enter namespaces", "sockets of containers are not seen, and uprobes do not follow containers", Limited, []int{unix.CAP_SYS_ADMIN}},
		{"network", "nothing can be attached to network devices", Limited, []int{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW}},
	}
	var checks []Check
	for _, n := range needs {
		c := Check{Name: n.name, State: OK, Vital: n.lacking == Missing}
		var have, lack []string
		for _, id := range n.caps {
			// CAP_BPF and CAP_PERFMON were split from CAP_SYS_ADMIN, which still implies them.
			implied := (id == unix.CAP_BPF || id == unix.CAP_PERFMON) && caps.Has(unix.CAP_SYS_ADMIN)
			if caps.Has(id) || implied {
				have = append(have, capabilityNames[id])
			} else {
				lack = append(lack, capabilityNames[id])
			}
		}
		c.Detail = strings.Join(have, ", ")
		if len(lack) > 0 {
			c.State = n.lacking
			c.Detail = fmt.Sprintf("without %s %s", strings.Join(lack, " and "), n.without)
			c.Remedy = fmt.Sprintf(setcap, strings.ToLower(strings.Join(lack, ",")))
		}
		checks = append(checks, c)
	}
	return checks
}

var capabilityNames = map[int]string{
	unix.CAP_BPF: "CAP_BPF", unix.CAP_PERFMON: "CAP_PERFMON", unix.CAP_SYS_PTRACE: "CAP_SYS_PTRACE",
	unix.CAP_SYS_ADMIN: "CAP_SYS_ADMIN", unix.CAP_NET_ADMIN: "CAP_NET_ADMIN", unix.CAP_NET_RAW: "CAP_NET_RAW",
}

// memlock looks whether the limit of locked memory counts for maps, as it does
// before Linux 5.11, and lifts it then.
func memlock() Check {
	c := Check{Name: "memory for maps", State: OK, Vital: true, Detail: "this kernel does not count it against the limit of locked memory"}
	if err := rlimit.RemoveMemlock(); err != nil {
		c.State, c.Detail = Missing, fmt.Sprintf("the limit of locked memory cannot be lifted: %v", err)
		c.Remedy = "ulimit -l unlimited, or LimitMEMLOCK=infinity of a service"
		return c
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err == nil && limit.Cur == unix.RLIM_INFINITY {
		c.Detail = "locked memory is not limited"
	}
	return c
}

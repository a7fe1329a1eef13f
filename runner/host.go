package runner

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/host"
)

// HostError says what this host lacks to run the gadget.
type HostError struct {
	// Need is what is missing, for example "CAP_BPF".
	Need string
	// Hint says what to do about it.
	Hint string
	Err  error
}

func (e *HostError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("this host lacks %s: %v", e.Need, e.Err)
	}
	return "this host lacks " + e.Need
}

// Unwrap returns the cause, which may be nil.
func (e *HostError) Unwrap() error { return e.Err }

// PermissionError names the capabilities that the process would need.
type PermissionError struct {
	// To is what for, such as "load eBPF programs".
	To      string
	Missing []string
}

func (e *PermissionError) Error() string {
	return "no permission to " + e.To + ": missing " + strings.Join(e.Missing, " and ")
}

// checkPermission answers questions that the kernel would answer with a riddle. A
// gadget without programs asks the kernel for little.
func checkPermission(p *plan.Plan) error {
	effective, err := host.OwnCapabilities()
	if err != nil {
		return err
	}
	admin := effective.Has(unix.CAP_SYS_ADMIN)
	lists := func(s *plan.Source) bool { return s.Kind == plan.ProgramStats }
	if !admin && slices.ContainsFunc(p.Sources, lists) {
		return &PermissionError{To: "list eBPF programs", Missing: []string{"CAP_SYS_ADMIN"}}
	}
	switch {
	case p.Spec != nil:
		return checkLoad(effective)
	case len(p.Sources) == 0:
		return errors.New("there is nothing to run: the gadget has no programs, and its gadget.yaml asks for no data source")
	}
	return nil
}

// MayLoad says whether this process may load eBPF programs; the error is a
// [PermissionError] when it may not.
func MayLoad() error {
	effective, err := host.OwnCapabilities()
	if err != nil {
		return err
	}
	return checkLoad(effective)
}

// checkLoad checks what loading programs needs, with these capabilities.
func checkLoad(effective host.Capabilities) error {
	if !effective.Has(unix.CAP_SYS_ADMIN) {
		var missing []string
		if !effective.Has(unix.CAP_BPF) {
			missing = append(missing, "CAP_BPF")
		}
		if !effective.Has(unix.CAP_PERFMON) {
			missing = append(missing, "CAP_PERFMON")
		}
		if len(missing) > 0 {
			return &PermissionError{To: "load eBPF programs", Missing: missing}
		}
	}
	return nil
}

// tracefs mount points in the order in which the kernel documents them.
var tracefsPaths = []string{"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}

// ensureTracefs mounts tracefs, which classic tracepoints need, where nothing
// has done it yet.
var ensureTracefs = sync.OnceValue(func() error {
	for _, dir := range tracefsPaths {
		if _, err := os.Stat(dir + "/events"); err == nil {
			return nil
		}
	}
	dir := tracefsPaths[0]
	if err := unix.Mount("tracefs", dir, "tracefs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return &HostError{Need: "tracefs", Err: err,
			Hint: "mount it: mount -t tracefs tracefs " + dir}
	}
	return nil
})

// checkKprobes finds kernels that load programs for kprobes and then have none:
// they answer that the function does not exist.
func checkKprobes() error {
	if _, err := os.Stat("/sys/bus/event_source/devices/kprobe"); err == nil {
		return nil
	}
	if err := ensureTracefs(); err != nil {
		return err
	}
	for _, dir := range tracefsPaths {
		if _, err := os.Stat(dir + "/kprobe_events"); err == nil {
			return nil
		}
	}
	return &HostError{Need: "kprobes", Hint: "use a kernel built with CONFIG_KPROBES=y, or a gadget with other hooks"}
}

// NewEnv reads what formatting needs to know of the machine.
func NewEnv() *event.Env {
	users, groups := &names{file: "/etc/passwd"}, &names{file: "/etc/group"}
	return &event.Env{
		BootToWall: bootToWall(), Location: time.Local,
		UserName: users.lookup, GroupName: groups.lookup,
	}
}

// bootToWall is what CLOCK_REALTIME is ahead of CLOCK_BOOTTIME, in nanoseconds.
func bootToWall() int64 {
	var boot, wall unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil || unix.ClockGettime(unix.CLOCK_REALTIME, &wall) != nil {
		return 0
	}
	return wall.Nano() - boot.Nano()
}

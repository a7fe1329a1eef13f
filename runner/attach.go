package runner

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sync/errgroup"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// attacher attaches a loaded program where its plan says. Closing the result
// detaches it.
type attacher func(*plan.Program, *ebpf.Program) (io.Closer, error)

// attacherOf says how programs of a kind are attached, nil when gadget has no way.
func attacherOf(kind string) attacher {
	switch kind {
	case "tracepoint":
		return attachTracepoint
	case "raw_tp":
		return attachRawTracepoint
	case "tp_btf", "fentry", "fexit":
		return attachTracing
	case "lsm":
		return attachLSM
	case "kprobe", "kretprobe", "ksyscall", "kretsyscall":
		return attachKprobe
	case "kprobe.multi", "kretprobe.multi", "kprobe.session":
		return attachKprobes
	case "perf_event":
		return attachPerf
	}
	return nil
}

// supportedSections is what attacherOf knows, for messages.
const supportedSections = "tracepoint, raw_tp, tp_btf, kprobe, kretprobe, ksyscall, kretsyscall, " +
	"kprobe.multi, kretprobe.multi, kprobe.session, uprobe, uretprobe, uprobe.multi, uretprobe.multi, usdt, " +
	"fentry, fexit, lsm, perf_event and iter"

// supported reports whether a program can be attached at all, before anything
// is loaded: a clear answer beats a verifier's.
func supported(prog *plan.Program) error {
	var err error
	switch {
	case !attachable(prog) && prog.TypePower() != "":
		err = fmt.Errorf("%w; it could %s", ErrNotPermitted, prog.TypePower())
	case !attachable(prog):
		err = fmt.Errorf("%w; there are %s", ErrNotSupported, supportedSections)
	case prog.Fault != "":
		err = fmt.Errorf("%w: %s", ErrNoHook, prog.Fault)
	default:
		return nil
	}
	return attachError(prog, err)
}

// attachable reports whether gadget has a way to attach programs of this kind.
func attachable(prog *plan.Program) bool {
	return prog.Kind == "iter" || plan.IsUser(prog.Kind) || attacherOf(prog.Kind) != nil
}

// links are the attachments of a run.
type links []io.Closer

// close detaches all at once: the kernel waits 60–90 ms for each classic
// tracepoint, and the waits overlap.
func (l *links) close(log *slog.Logger) {
	var wg sync.WaitGroup
	for _, lk := range *l {
		wg.Go(func() {
			if err := lk.Close(); err != nil {
				log.Warn("detach", "error", err)
			}
		})
	}
	wg.Wait()
	*l = nil
}

// attach attaches the chosen programs of the plan, but for those of user space. On
// error none stays attached.
func attach(p *plan.Plan, c *choice, coll *ebpf.Collection, log *slog.Logger) (links, error) {
	var (
		mu    sync.Mutex
		made  links
		group errgroup.Group
	)
	for i := range p.Programs {
		prog := &p.Programs[i]
		// Iterators are attached by the data source that reads them, programs of user
		// space by follow.
		if !c.uses(prog.Name) || prog.Kind == "iter" || plan.IsUser(prog.Kind) {
			continue
		}
		if idle(p.Spec.Programs[prog.Name], coll.Programs[prog.Name]) {
			c.idle[prog.Name] = true
			continue
		}
		group.Go(func() error {
			lk, err := attacherOf(prog.Kind)(prog, coll.Programs[prog.Name])
			if err != nil {
				return attachError(prog, err)
			}
			log.Debug("attached", "program", prog.Name, "section", prog.Section, "hook", prog.Hook)
			mu.Lock()
			made = append(made, lk)
			mu.Unlock()
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		made.close(log)
		return nil, err
	}
	return made, nil
}

func attachTracepoint(prog *plan.Program, loaded *ebpf.Program) (io.Closer, error) {
	group, name, _ := strings.Cut(prog.Hook, "/")
	if err := ensureTracefs(); err != nil {
		return nil, err
	}
	return link.Tracepoint(group, name, loaded, nil)
}

func attachRawTracepoint(prog *plan.Program, loaded *ebpf.Program) (io.Closer, error) {
	return link.AttachRawTracepoint(link.RawTracepointOptions{Name: prog.Hook, Program: loaded})
}

// attachTracing attaches a program whose target was named when it was loaded.
func attachTracing(_ *plan.Program, loaded *ebpf.Program) (io.Closer, error) {
	return link.AttachTracing(link.TracingOptions{Program: loaded})
}

func attachLSM(_ *plan.Program, loaded *ebpf.Program) (io.Closer, error) {
	if err := checkLSM(); err != nil {
		return nil, err
	}
	return link.AttachLSM(link.LSMOptions{Program: loaded})
}

// ErrNotSupported is what gadget cannot do, whatever the kernel.
var ErrNotSupported = errors.New("not supported by this version of gadget")

// ErrNoHook is about programs of which nobody can tell where to attach them.
var ErrNoHook = errors.New("no kernel has such a hook")

// ErrNotPermitted refuses types of programs that are there to do more than watch.
// No permission helps: gadget has no way to attach them.
var ErrNotPermitted = errors.New("such a program changes the system, and this version of gadget runs none of its type")

// AttachError says which program could not be attached where. It wraps
// fs.ErrNotExist when the kernel does not have the hook.
type AttachError struct {
	Program, Section, Hook string
	Err                    error
}

func attachError(prog *plan.Program, err error) error {
	e := &AttachError{Program: prog.Name, Section: prog.Section, Hook: prog.Hook, Err: err}
	var none *noFunction
	if errors.As(err, &none) {
		e.Hook, e.Err = none.pattern, fs.ErrNotExist
	}
	return e
}

func (e *AttachError) Error() string {
	if errors.Is(e.Err, fs.ErrNotExist) {
		return fmt.Sprintf("program %s: this kernel has no %s", e.Program, hookName(e.Section, e.Hook))
	}
	return fmt.Sprintf("attach program %s (SEC %q): %v", e.Program, e.Section, e.Err)
}

// Unwrap returns the cause.
func (e *AttachError) Unwrap() error { return e.Err }

// hookName names a hook in the words of its section: tracepoint syscalls/sys_enter_open.
func hookName(section, hook string) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(section, "?"), "/")
	kind = strings.TrimSuffix(kind, ".s")
	switch kind {
	case "tp":
		kind = "tracepoint"
	case "raw_tp", "raw_tracepoint", "tp_btf":
		kind = "raw tracepoint"
	case "fentry", "fexit", "kprobe", "kretprobe", "kprobe.multi", "kretprobe.multi", "kprobe.session":
		kind = "function"
	case "ksyscall", "kretsyscall":
		kind = "system call"
	case "lsm":
		kind = "LSM hook"
	case "iter":
		kind = "iterator"
	}
	if strings.ContainsAny(hook, "*?[") {
		kind += " like"
	}
	return kind + " " + hook
}

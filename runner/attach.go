package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"runtime"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sync/errgroup"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// links are the attachments of a run.
type links []link.Link

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

// attach attaches the chosen programs of the plan. On error none stays attached.
func attach(p *plan.Plan, c *choice, coll *ebpf.Collection, log *slog.Logger) (links, error) {
	var (
		mu    sync.Mutex
		made  links
		group errgroup.Group
	)
	for i := range p.Programs {
		prog := &p.Programs[i]
		if prog.Disabled {
			log.Info("program is disabled", "program", prog.Name)
			continue
		}
		// Iterators are attached by the data source that reads them.
		if !c.uses(prog.Name) || isIterator(p.Spec.Programs[prog.Name]) {
			continue
		}
		if idle(p.Spec.Programs[prog.Name], coll.Programs[prog.Name]) {
			log.Debug("program does nothing with these parameters", "program", prog.Name)
			continue
		}
		group.Go(func() error {
			lk, err := attachProgram(prog, coll.Programs[prog.Name])
			if err != nil {
				return &AttachError{Program: prog.Name, Section: prog.Section, Hook: prog.Hook, Err: err}
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

// attachProgram attaches one program where its type says.
func attachProgram(prog *plan.Program, loaded *ebpf.Program) (link.Link, error) {
	switch prog.Type {
	case ebpf.TracePoint:
		group, name, ok := strings.Cut(prog.Hook, "/")
		if !ok {
			return nil, fmt.Errorf("tracepoint %q: want category/name", prog.Hook)
		}
		if err := ensureTracefs(); err != nil {
			return nil, err
		}
		return link.Tracepoint(group, name, loaded, nil)
	case ebpf.RawTracepoint:
		return link.AttachRawTracepoint(link.RawTracepointOptions{Name: prog.Hook, Program: loaded})
	case ebpf.Tracing:
		return link.AttachTracing(link.TracingOptions{Program: loaded})
	case ebpf.LSM:
		return link.AttachLSM(link.LSMOptions{Program: loaded})
	case ebpf.Kprobe:
		return attachKprobe(prog, loaded)
	}
	return nil, fmt.Errorf("%w: programs of type %s", ErrNotSupported, prog.Type)
}

// attachKprobe attaches a program of one of the sections that share the type of
// kprobes. Probes by pattern go through one link for all symbols.
func attachKprobe(prog *plan.Program, loaded *ebpf.Program) (link.Link, error) {
	if err := checkKprobes(); err != nil {
		return nil, err
	}
	switch kind, _, _ := strings.Cut(prog.Section, "/"); kind {
	case "kprobe":
		return link.Kprobe(prog.Hook, loaded, nil)
	case "kretprobe":
		return link.Kretprobe(prog.Hook, loaded, nil)
	case "ksyscall", "kretsyscall":
		symbol := syscallPrefix + prog.Hook
		if kind == "ksyscall" {
			return link.Kprobe(symbol, loaded, nil)
		}
		return link.Kretprobe(symbol, loaded, nil)
	case "kprobe.multi":
		return link.KprobeMulti(loaded, link.KprobeMultiOptions{Symbols: strings.Split(prog.Hook, ",")})
	case "kretprobe.multi":
		return link.KretprobeMulti(loaded, link.KprobeMultiOptions{Symbols: strings.Split(prog.Hook, ",")})
	}
	return nil, fmt.Errorf("%w: section %q", ErrNotSupported, prog.Section)
}

// syscallPrefix begins the symbols of system calls (arch/*/include/asm/syscall_wrapper.h).
var syscallPrefix = map[string]string{"amd64": "__x64_sys_", "arm64": "__arm64_sys_"}[runtime.GOARCH]

// supported reports whether a program can be attached at all, before anything
// is loaded: a clear answer beats a verifier's.
func supported(prog *plan.Program, spec *ebpf.ProgramSpec) error {
	if prog.Disabled || attachable(spec) {
		return nil
	}
	return &AttachError{Program: prog.Name, Section: prog.Section, Hook: prog.Hook,
		Err: fmt.Errorf("%w: section %q; there are %s", ErrNotSupported, prog.Section, supportedSections)}
}

// supportedSections is what attachProgram attaches, for messages.
const supportedSections = "tracepoint, raw_tp, tp_btf, kprobe, kretprobe, kprobe.multi, ksyscall, fentry, fexit, lsm and iter"

func attachable(spec *ebpf.ProgramSpec) bool {
	switch spec.Type {
	case ebpf.TracePoint, ebpf.RawTracepoint, ebpf.LSM:
		return true
	case ebpf.Tracing:
		switch spec.AttachType {
		case ebpf.AttachTraceRawTp, ebpf.AttachTraceIter, ebpf.AttachTraceFEntry, ebpf.AttachTraceFExit:
			return true
		}
	case ebpf.Kprobe:
		switch kind, _, _ := strings.Cut(spec.SectionName, "/"); kind {
		case "kprobe", "kretprobe", "ksyscall", "kretsyscall", "kprobe.multi", "kretprobe.multi":
			return true
		}
	}
	return false
}

func isIterator(spec *ebpf.ProgramSpec) bool {
	return spec.Type == ebpf.Tracing && spec.AttachType == ebpf.AttachTraceIter
}

// ErrNotSupported is what gadget cannot do, whatever the kernel.
var ErrNotSupported = errors.New("not supported by this version of gadget")

// AttachError says which program could not be attached where. It wraps
// fs.ErrNotExist when the kernel does not have the hook.
type AttachError struct {
	Program, Section, Hook string
	Err                    error
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
	kind, _, _ := strings.Cut(section, "/")
	names := map[string]string{"tp": "tracepoint", "raw_tp": "raw tracepoint", "raw_tracepoint": "raw tracepoint", "tp_btf": "raw tracepoint",
		"fentry": "function", "fexit": "function", "lsm": "LSM hook", "kprobe": "function", "kretprobe": "function"}
	if n, ok := names[kind]; ok {
		kind = n
	}
	return kind + " " + hook
}

package runner

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// ProbeHooks attaches a program that does nothing for each of these kinds
// ([plan.HookKinds]), in the way programs of that kind are attached, and takes it
// away at once. It says what did not work, nil for what did. Waits of the kernel
// overlap.
func ProbeHooks(kinds []string) map[string]error {
	var (
		mu    sync.Mutex
		group sync.WaitGroup
		found = map[string]error{}
		typed []string
	)
	probe := func(k *kernel, kind string) {
		err := k.probeHook(kind)
		mu.Lock()
		defer mu.Unlock()
		found[kind] = err
	}
	for _, kind := range kinds {
		switch kind {
		case "tp_btf", "fentry", "fexit", "lsm", "iter":
			typed = append(typed, kind)
		default:
			group.Go(func() { probe(newKernel(nil), kind) })
		}
	}
	// These need the kernel's types, which take long to read.
	k := newKernel(nil)
	for _, kind := range typed {
		probe(k, kind)
	}
	group.Wait()
	return found
}

// probeHook attaches a program that does nothing, in the way programs of that kind
// are attached (one of [plan.HookKinds]), and says why it did not work. Kernels
// that load a program do not always attach it.
func (k *kernel) probeHook(kind string) error {
	// Hooks that all kernels have, and that are rarely met.
	const function, tracepoint = "commit_creds", "task_newtask"
	prog := &plan.Program{Name: "gadget_probe", Kind: kind, Hook: function}
	spec := &ebpf.ProgramSpec{
		Name: prog.Name, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	}
	switch kind {
	case "tracepoint":
		prog.Hook, spec.Type = "task/"+tracepoint, ebpf.TracePoint
	case "raw_tp":
		prog.Hook, spec.Type = tracepoint, ebpf.RawTracepoint
	case "tp_btf":
		prog.Hook, spec.Type, spec.AttachType = tracepoint, ebpf.Tracing, ebpf.AttachTraceRawTp
	case "fentry":
		spec.Type, spec.AttachType = ebpf.Tracing, ebpf.AttachTraceFEntry
	case "fexit":
		spec.Type, spec.AttachType = ebpf.Tracing, ebpf.AttachTraceFExit
	case "iter":
		prog.Hook, spec.Type, spec.AttachType = "task", ebpf.Tracing, ebpf.AttachTraceIter
	case "lsm":
		prog.Hook, spec.Type, spec.AttachType = "sb_umount", ebpf.LSM, ebpf.AttachLSMMac
	case "kprobe":
		spec.Type = ebpf.Kprobe
	case "kprobe.multi":
		spec.Type, spec.AttachType = ebpf.Kprobe, ebpf.AttachTraceKprobeMulti
	case "kprobe.session":
		spec.Type, spec.AttachType = ebpf.Kprobe, ebpf.AttachTraceKprobeSession
	case "perf_event":
		spec.Type = ebpf.PerfEvent
		prog.Perf = &plan.Perf{Name: "count_sw_cpu_clock", Type: 1, Frequency: 1}
	case "uprobe":
		spec.Type = ebpf.Kprobe
	case "uprobe.multi":
		spec.Type, spec.AttachType = ebpf.Kprobe, ebpf.AttachTraceUprobeMulti
	default:
		return fmt.Errorf("%w: hook %q", ErrNotSupported, kind)
	}
	target(prog, spec)
	return k.tryAttach(prog, spec)
}

// tryAttach loads a program, attaches it, and takes it away again.
func (k *kernel) tryAttach(prog *plan.Program, spec *ebpf.ProgramSpec) error {
	coll, err := ebpf.NewCollectionWithOptions(&ebpf.CollectionSpec{
		Programs: map[string]*ebpf.ProgramSpec{prog.Name: spec},
	}, k.loading())
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer coll.Close()
	loaded := coll.Programs[prog.Name]
	var l io.Closer
	switch prog.Kind {
	case "iter":
		l, err = link.AttachIter(link.IterOptions{Program: loaded})
	case "uprobe", "uprobe.multi":
		l, err = attachOwnEntry(prog, loaded)
	default:
		l, err = attacherOf(prog.Kind)(prog, loaded)
	}
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	return l.Close()
}

// attachOwnEntry attaches a uprobe to the first instruction of this program: one that
// a process runs once, before anything else, and never again.
func attachOwnEntry(prog *plan.Program, loaded *ebpf.Program) (io.Closer, error) {
	const path = "/proc/self/exe"
	at, err := entryOffset(path)
	if err != nil {
		return nil, fmt.Errorf("read this program: %w", err)
	}
	ex, err := link.OpenExecutable(path)
	if err != nil {
		return nil, err
	}
	if prog.Kind == "uprobe.multi" {
		return ex.UprobeMulti(nil, loaded, &link.UprobeMultiOptions{Addresses: []uint64{at}})
	}
	return ex.Uprobe("", loaded, &link.UprobeOptions{Address: at})
}

// entryOffset is where in an executable its first instruction is.
func entryOffset(path string) (uint64, error) {
	file, err := elf.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_LOAD && p.Vaddr <= file.Entry && file.Entry < p.Vaddr+p.Filesz {
			return file.Entry - p.Vaddr + p.Off, nil
		}
	}
	return 0, errors.New("it has no entry point")
}

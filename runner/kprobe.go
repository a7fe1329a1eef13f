package runner

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sync/errgroup"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// syscallPrefix begins the symbols of system calls (arch/*/include/asm/syscall_wrapper.h).
var syscallPrefix = map[string]string{"amd64": "__x64_sys_", "arm64": "__arm64_sys_"}[runtime.GOARCH]

// attachKprobe attaches a program to one function, or to an instruction in it:
// name+0x10.
func attachKprobe(prog *plan.Program, loaded *ebpf.Program) (io.Closer, error) {
	if err := checkKprobes(); err != nil {
		return nil, err
	}
	name, offset, ok := strings.Cut(prog.Hook, "+")
	o := &link.KprobeOptions{}
	if ok {
		var err error
		if o.Offset, err = strconv.ParseUint(offset, 0, 64); err != nil {
			return nil, fmt.Errorf("%q is no offset in a function", offset)
		}
	}
	if strings.HasSuffix(prog.Kind, "syscall") {
		name = syscallPrefix + name
	}
	if strings.HasPrefix(prog.Kind, "kret") {
		return link.Kretprobe(name, loaded, o)
	}
	return link.Kprobe(name, loaded, o)
}

// singleKprobes is how many functions a program is attached to one by one, where
// the kernel cannot attach it to all at once.
const singleKprobes = 512

// singly says whether a program for many functions is to be attached to each of
// them by itself: kernels before 5.18, and those built without CONFIG_FPROBE.
// Sessions have no such way.
func singly(kind string) bool {
	return plan.IsMulti(kind) && kind != "kprobe.session" && features.HaveBPFLinkKprobeMulti() != nil
}

// attachKprobes attaches a program to all functions that match its patterns.
func attachKprobes(prog *plan.Program, loaded *ebpf.Program) (io.Closer, error) {
	if err := checkKprobes(); err != nil {
		return nil, err
	}
	if prog.Kind == "kprobe.session" && features.HaveBPFLinkKprobeSession() != nil {
		return nil, &HostError{Need: "kprobe sessions (Linux 6.10, CONFIG_FPROBE)", Hint: "a gadget may name alternatives for such programs in its gadget.yaml"}
	}
	patterns := strings.Split(prog.Hook, ",")
	if singly(prog.Kind) {
		functions, err := matchFunctions(patterns)
		if err != nil {
			return nil, err
		}
		return attachSingly(prog, loaded, functions)
	}
	// Names alone need no look at all functions, which takes its time.
	if !strings.ContainsAny(prog.Hook, "*?[") {
		l, err := attachTogether(prog.Kind, loaded, link.KprobeMultiOptions{Symbols: patterns})
		if err == nil {
			return l, nil
		}
	}
	functions, err := matchFunctions(patterns)
	if err != nil {
		return nil, err
	}
	var o link.KprobeMultiOptions
	// By address, as one name may belong to several functions.
	hidden := slices.ContainsFunc(functions, func(s symbol) bool { return s.address == 0 })
	for _, s := range functions {
		if hidden {
			o.Symbols = append(o.Symbols, s.name)
		} else {
			o.Addresses = append(o.Addresses, s.address)
		}
	}
	l, err := attachTogether(prog.Kind, loaded, o)
	if err != nil {
		return nil, fmt.Errorf("attach to %d functions: %w", len(functions), err)
	}
	return l, nil
}

// attachTogether attaches a program to many functions by one link.
func attachTogether(kind string, loaded *ebpf.Program, o link.KprobeMultiOptions) (io.Closer, error) {
	o.Session = kind == "kprobe.session"
	if kind == "kretprobe.multi" {
		return link.KretprobeMulti(loaded, o)
	}
	return link.KprobeMulti(loaded, o)
}

// closers are closed together, as the waits of the kernel overlap.
type closers []io.Closer

// Close implements [io.Closer].
func (all closers) Close() error {
	var group errgroup.Group
	group.SetLimit(64)
	for _, c := range all {
		group.Go(c.Close)
	}
	return group.Wait()
}

// attachSingly attaches a program to each function that takes a kprobe; some that
// match a pattern do not.
func attachSingly(prog *plan.Program, loaded *ebpf.Program, functions []symbol) (io.Closer, error) {
	if len(functions) > singleKprobes {
		return nil, fmt.Errorf("%d functions match; this kernel attaches kprobes one by one only, and no more than %d are", len(functions), singleKprobes)
	}
	attach := link.Kprobe
	if prog.Kind == "kretprobe.multi" {
		attach = link.Kretprobe
	}
	var (
		mu    sync.Mutex
		all   closers
		wrong []error
		group errgroup.Group
	)
	group.SetLimit(8)
	for _, s := range functions {
		group.Go(func() error {
			l, err := attach(s.name, loaded, nil)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				wrong = append(wrong, err)
				return nil
			}
			all = append(all, l)
			return nil
		})
	}
	_ = group.Wait()
	if len(all) == 0 {
		return nil, errors.Join(wrong...)
	}
	return all, nil
}

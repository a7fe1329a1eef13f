package runner

import (
	"io"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// syscallPrefix begins the symbols of system calls (arch/*/include/asm/syscall_wrapper.h).
var syscallPrefix = map[string]string{"amd64": "__x64_sys_", "arm64": "__arm64_sys_"}[runtime.GOARCH]

// attachKprobe attaches a program to one function.
func attachKprobe(prog *plan.Program, loaded *ebpf.Program) (io.Closer, error) {
	if err := checkKprobes(); err != nil {
		return nil, err
	}
	symbol := prog.Hook
	if strings.HasSuffix(prog.Kind, "syscall") {
		symbol = syscallPrefix + symbol
	}
	if strings.HasPrefix(prog.Kind, "kret") {
		return link.Kretprobe(symbol, loaded, nil)
	}
	return link.Kprobe(symbol, loaded, nil)
}

// attachKprobes attaches a program to many functions by one link.
func attachKprobes(prog *plan.Program, loaded *ebpf.Program) (io.Closer, error) {
	if err := checkKprobes(); err != nil {
		return nil, err
	}
	o := link.KprobeMultiOptions{Symbols: strings.Split(prog.Hook, ",")}
	if prog.Kind == "kretprobe.multi" {
		return link.KretprobeMulti(loaded, o)
	}
	return link.KprobeMulti(loaded, o)
}

package runner

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// idle says whether parameters have switched a loaded program off, so that there
// is no need to attach it: what the kernel leaves of one that begins with
// if (off) return 0 calls nothing and writes nowhere. Attached it would still cost
// something at every event, a program on sys_exit at every system call of the
// machine.
//
// It is false whenever that is not certain, also when the kernel does not show
// the program, and for a program that was like that from the beginning.
func idle(spec *ebpf.ProgramSpec, prog *ebpf.Program) bool {
	switch prog.Type() {
	case ebpf.TracePoint, ebpf.RawTracepoint, ebpf.Kprobe:
	case ebpf.Tracing:
		// The return value of the other attach types means something.
		if t := spec.AttachType; t != ebpf.AttachTraceRawTp && t != ebpf.AttachTraceFEntry && t != ebpf.AttachTraceFExit {
			return false
		}
	default:
		return false
	}
	if inert(spec.Instructions) {
		return false
	}
	info, err := prog.Info()
	if err != nil {
		return false
	}
	left, err := info.Instructions()
	return err == nil && len(left) > 0 && inert(left)
}

// inert says whether instructions call nothing and write to nothing but their own stack.
func inert(instructions asm.Instructions) bool {
	for _, ins := range instructions {
		switch class := ins.OpCode.Class(); {
		case class.IsJump():
			if ins.OpCode.JumpOp() == asm.Call {
				return false
			}
		case class == asm.StClass, class == asm.StXClass:
			if ins.Dst != asm.RFP || ins.OpCode.Mode() != asm.MemMode {
				return false
			}
		}
	}
	return true
}

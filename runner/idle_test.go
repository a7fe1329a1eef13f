package runner

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

func TestIdle(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loading eBPF programs needs root")
	}
	// What a program looks like that a parameter switches on or off.
	switched := func(on int32) asm.Instructions {
		return asm.Instructions{
			asm.Mov.Imm(asm.R0, 0),
			asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
			asm.Mov.Imm(asm.R2, on),
			asm.JEq.Imm(asm.R2, 0, "end"),
			asm.FnKtimeGetNs.Call(),
			asm.Return().WithSymbol("end"),
		}
	}
	tests := []struct {
		name string
		typ  ebpf.ProgramType
		code asm.Instructions
		want bool
	}{
		{"off", ebpf.RawTracepoint, switched(0), true},
		{"on", ebpf.RawTracepoint, switched(1), false},
		{"empty from the beginning", ebpf.RawTracepoint, asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}, false},
		{"return value means something", ebpf.SocketFilter, switched(0), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := &ebpf.ProgramSpec{Type: tt.typ, License: "GPL", Instructions: tt.code}
			prog, err := ebpf.NewProgram(spec)
			if err != nil {
				t.Fatal(err)
			}
			defer prog.Close()
			if got := idle(spec, prog); got != tt.want {
				t.Errorf("idle is %v, want %v", got, tt.want)
			}
		})
	}
}

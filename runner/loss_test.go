package runner

import (
	"bytes"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
)

// A map with room for few of the keys that a program adds: each of the others is
// counted, and told.
func TestTableLosses(t *testing.T) {
	gadgettest.NeedRoot(t)
	const room, keys = 64, 1000
	p := gadgettest.Plan(t, "testdata/counts")
	p.Sources[0].Interval, p.Sources[0].FinalFetch = time.Hour, true
	var out bytes.Buffer
	var told uint64
	o := floodOptions(&out)
	o.Params = map[string]string{
		"target": o.Params["target"], "syscall_nr": o.Params["syscall"], "calls_max_entries": strconv.Itoa(room),
	}
	o.Encoder = json
	o.Lost = func(_ string, n, total uint64) {
		if told += n; told != total {
			t.Errorf("told of %d losses, %d in all, after %d", n, total, told-n)
		}
	}
	report := runUntil(t, p, o, func() {
		for i := range keys {
			unix.Syscall(unix.SYS_GETPRIORITY, uintptr(i)+5, 0, 0)
		}
		// A key that has its place needs no room.
		for range keys {
			unix.Syscall(unix.SYS_GETPRIORITY, 5, 0, 0)
		}
	})
	s := report.Sources[0]
	if s.LossUnknown || s.Delivered != room || s.Lost != keys-room || told != s.Lost {
		t.Errorf("delivered %d, lost %d, told of %d, of %d keys; unknown: %v", s.Delivered, s.Lost, told, keys, s.LossUnknown)
	}
}

// The map that a call gets is the one that was loaded, wherever it was kept since,
// and nobody's guess where two ways lead to the call.
func TestMapIn(t *testing.T) {
	load := func(r asm.Register, name string) asm.Instruction {
		return asm.LoadMapPtr(r, 0).WithReference(name)
	}
	jump := func(offset int16) asm.Instruction {
		ins := asm.JEq.Imm(asm.R0, 0, "")
		ins.Offset = offset
		return ins.WithReference("")
	}
	tests := []struct {
		name   string
		before asm.Instructions
		want   string
	}{
		{"loaded", asm.Instructions{load(asm.R1, "a"), asm.Mov.Imm(asm.R4, 1)}, "a"},
		{"loaded twice", asm.Instructions{load(asm.R1, "a"), load(asm.R1, "b")}, "b"},
		{"kept", asm.Instructions{load(asm.R6, "a"), asm.Mov.Imm(asm.R1, 1), asm.Mov.Reg(asm.R1, asm.R6)}, "a"},
		{"from memory", asm.Instructions{load(asm.R6, "a"), asm.LoadMem(asm.R1, asm.RFP, -8, asm.DWord)}, ""},
		{"computed", asm.Instructions{load(asm.R1, "a"), asm.Add.Imm(asm.R1, 8)}, ""},
		{"before a call", asm.Instructions{load(asm.R1, "a"), asm.FnGetPrandomU32.Call()}, ""},
		{"two ways", asm.Instructions{load(asm.R1, "a"), jump(2), load(asm.R1, "b"), asm.Mov.Imm(asm.R4, 1)}, ""},
		{"a way around", asm.Instructions{jump(1), asm.Mov.Imm(asm.R0, 1), load(asm.R1, "a"), asm.Mov.Imm(asm.R4, 1)}, "a"},
		{"never", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := append(tt.before, asm.FnMapUpdateElem.Call(), asm.Return())
			if got := mapIn(tt.before, asm.R1, jumpTargets(all)); got != tt.want {
				t.Errorf("the map is %q, want %q", got, tt.want)
			}
		})
	}
}

// A program that the kernel skips, because it is running already, is told of.
func TestMissed(t *testing.T) {
	gadgettest.NeedRoot(t)
	const calls = 20
	var out bytes.Buffer
	report := runUntil(t, gadgettest.Plan(t, "testdata/recurse"), floodOptions(&out), func() {
		for range calls {
			unix.Syscall(unix.SYS_GETPRIORITY, 0, 0, 0)
		}
	})
	want := []Missed{{Program: "recurse", Section: "tp_btf/bpf_trace_printk", Times: calls}}
	if !slices.Equal(report.Missed, want) || report.Sources[0].Delivered != calls {
		t.Errorf("missed %v, want %v; delivered %d", report.Missed, want, report.Sources[0].Delivered)
	}
}

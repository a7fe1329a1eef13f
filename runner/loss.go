package runner

import (
	"fmt"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// lossMap counts the losses of data sources that have no counter of their own:
// one entry for each data source, one value for each CPU.
const lossMap = "gadget_lost"

// loss reads how many events of a data source the kernel had to drop. The
// counters are never reset, so nothing is lost between two reads.
type loss struct {
	m     *ebpf.Map
	key   uint32
	total uint64
	// unknown is true when nobody counts, fromReader when only the reader of a
	// perf buffer does.
	unknown, fromReader bool
	perCPU              []uint64
}

// openLoss finds the counter of a data source: ours when counted says that it
// has one, else the gadget's own.
func openLoss(coll *ebpf.Collection, s *plan.Source, index int, counted bool) *loss {
	perf := coll.Maps[s.Map].Type() == ebpf.PerfEventArray
	switch m := coll.Maps[s.Lost]; {
	case counted:
		return &loss{m: coll.Maps[lossMap], key: uint32(index)}
	case perf:
		// What its reader is told of is all there is; the last losses of a run
		// are not in it.
		return &loss{fromReader: true}
	case m != nil:
		return &loss{m: m}
	}
	return &loss{unknown: true}
}

// read brings total up to date.
func (l *loss) read() error {
	if l.m == nil {
		return nil
	}
	if err := l.m.Lookup(l.key, &l.perCPU); err != nil {
		return fmt.Errorf("read map %s: %w", l.m, err)
	}
	l.total = 0
	for _, v := range l.perCPU {
		l.total += v
	}
	return nil
}

// addLossCounters gives a counter to every data source without one, by sending
// its calls of bpf_ringbuf_reserve, bpf_ringbuf_output and bpf_perf_event_output
// through a function of ours that counts failures. It returns the indexes of the data sources that are
// counted now: those all of whose calls it could redirect.
//
// Only the one call instruction is replaced, so no jump offset changes.
func addLossCounters(spec *ebpf.CollectionSpec, sources []*plan.Source) map[int]bool {
	rings := map[string]int{}
	for i, s := range sources {
		if s.Kind != plan.Tracer {
			continue
		}
		// A gadget's own counter is about ring buffers only.
		if s.Lost == "" || spec.Maps[s.Map].Type == ebpf.PerfEventArray {
			rings[s.Map] = i
		}
	}
	counted := map[int]bool{}
	if len(rings) == 0 {
		return counted
	}
	for _, prog := range spec.Programs {
		indexes, ok := countCalls(prog, rings)
		if !ok {
			// A call that cannot be given to a ring makes all counts a guess.
			return nil
		}
		for _, i := range indexes {
			counted[i] = true
		}
	}
	if len(counted) > 0 {
		spec.Maps[lossMap] = &ebpf.MapSpec{
			Name: lossMap, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: uint32(len(sources)),
		}
	}
	return counted
}

// countedHelpers are those whose failures are losses, with the argument that is
// the buffer.
var countedHelpers = map[asm.BuiltinFunc]struct {
	name   string
	buffer asm.Register
}{
	asm.FnRingbufReserve:  {"reserve", asm.R1},
	asm.FnRingbufOutput:   {"output", asm.R1},
	asm.FnPerfEventOutput: {"perf", asm.R2},
}

// countCalls redirects a program's ring buffer calls and appends the functions
// they go to. It returns the data sources it met, and false when a call cannot
// be redirected.
func countCalls(prog *ebpf.ProgramSpec, rings map[string]int) (indexes []int, ok bool) {
	var source fmt.Stringer
	for i := range prog.Instructions {
		if source = prog.Instructions[i].Source(); source != nil {
			break
		}
	}
	wrappers := map[string]asm.Instructions{}
	for i := range prog.Instructions {
		ins := &prog.Instructions[i]
		if !ins.IsBuiltinCall() {
			continue
		}
		fn := asm.BuiltinFunc(ins.Constant)
		if fn == asm.FnRingbufReserveDynptr {
			return nil, false
		}
		helper, isCounted := countedHelpers[fn]
		if !isCounted {
			continue
		}
		ring := ringOf(prog.Instructions[:i], helper.buffer, rings)
		index, ok := rings[ring]
		// Without line information the kernel refuses a new function.
		if ring == "" || source == nil {
			return nil, false
		}
		if !ok {
			continue
		}
		name := "gadget_count_" + helper.name + strconv.Itoa(index)
		if wrappers[name] == nil {
			wrappers[name] = countingCall(name, fn, index, source)
			indexes = append(indexes, index)
		}
		prog.Instructions[i] = asm.Call.Label(name).WithSymbol(ins.Symbol()).WithSource(ins.Source())
	}
	for _, w := range wrappers {
		prog.Instructions = append(prog.Instructions, w...)
	}
	return indexes, true
}

// ringOf names the buffer that the next call gets in a register: the last map
// loaded there; the only one when that cannot be seen.
func ringOf(before asm.Instructions, register asm.Register, rings map[string]int) string {
	for i := len(before) - 1; i >= 0; i-- {
		ins := before[i]
		if ins.IsBuiltinCall() || ins.OpCode.Class() == asm.JumpClass && ins.OpCode.JumpOp() == asm.Exit {
			break
		}
		if ins.Dst == register && ins.IsLoadFromMap() {
			return ins.Reference()
		}
	}
	if len(rings) == 1 {
		for name := range rings {
			return name
		}
	}
	return ""
}

// countingCall is a function that calls fn with the caller's arguments, counts a
// failure in lossMap, and returns what fn returned.
func countingCall(name string, fn asm.BuiltinFunc, index int, source fmt.Stringer) asm.Instructions {
	done := name + "_done"
	succeeded := asm.JEq.Imm(asm.R0, 0, done)
	if fn == asm.FnRingbufReserve {
		succeeded = asm.JNE.Imm(asm.R0, 0, done) // anything but NULL
	}
	first := btf.WithFuncMetadata(fn.Call().WithSymbol(name), &btf.Func{
		Name:    name,
		Type:    &btf.FuncProto{Return: &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}},
		Linkage: btf.StaticFunc,
	}).WithSource(source)
	return asm.Instructions{
		first,
		succeeded,
		// A failed reservation returns NULL; saving the scalar 0 keeps the
		// verifier's view of it the same for both helpers.
		asm.Mov.Reg(asm.R6, asm.R0),
		asm.StoreImm(asm.RFP, -4, int64(index), asm.Word),
		asm.LoadMapPtr(asm.R1, 0).WithReference(lossMap),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, name+"_out"),
		asm.Mov.Imm(asm.R1, 1),
		// Atomic, because an interrupt on this CPU may lose an event too.
		asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0),
		asm.Mov.Reg(asm.R0, asm.R6).WithSymbol(name + "_out"),
		asm.Return().WithSymbol(done),
	}
}

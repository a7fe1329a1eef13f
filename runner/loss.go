package runner

import (
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// lossMap counts the losses of data sources that have no counter of their own:
// one entry for each data source, one value for each CPU.
const lossMap = "gadget_lost"

// loss reads how many events of a data source the kernel had to drop, or of a table
// how often its map had no room. The counters are never reset, so nothing is lost
// between two reads.
type loss struct {
	m     *ebpf.Map
	key   uint32
	total atomic.Uint64
	// unknown is true when nobody counts, fromReader when only the reader of a
	// perf buffer does.
	unknown, fromReader bool
	perCPU              []uint64
}

// openLoss finds the counter of a data source: ours when counted says that it
// has one, else the gadget's own.
func openLoss(coll *ebpf.Collection, s *plan.Source, index int, counted bool) *loss {
	switch m := coll.Maps[s.Lost]; {
	case counted:
		return &loss{m: coll.Maps[lossMap], key: uint32(index)}
	case coll.Maps[s.Map].Type() == ebpf.PerfEventArray:
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
	total := uint64(0)
	for _, v := range l.perCPU {
		total += v
	}
	l.total.Store(total)
	return nil
}

// addLossCounters gives a counter to every data source without one, by sending its
// calls of some helpers through a function of ours that counts failures: for streams
// those that reserve or send, for tables of a map those that add to it. It returns
// the indexes of the data sources that are counted now: those all of whose calls it
// could redirect.
//
// Only the one call instruction is replaced, so no jump offset changes.
func addLossCounters(spec *ebpf.CollectionSpec, sources []*plan.Source) map[int]bool {
	c := lossCounter{buffers: map[string]int{}, tables: map[string]int{}, counted: map[int]bool{}}
	for i, s := range sources {
		switch {
		case s.Kind == plan.MapIterator && s.Lost == "":
			c.tables[s.Map] = i
			// Where nobody adds, nothing is lost.
			c.counted[i] = true
		// A gadget's own counter is about ring buffers only.
		case s.Kind == plan.Tracer && (s.Lost == "" || spec.Maps[s.Map].Type == ebpf.PerfEventArray):
			c.buffers[s.Map] = i
		}
	}
	for _, prog := range spec.Programs {
		c.redirect(prog)
	}
	c.forget(c.unclearBuffers, c.buffers)
	c.forget(c.unclearTables, c.tables)
	if len(c.counted) > 0 {
		spec.Maps[lossMap] = &ebpf.MapSpec{
			Name: lossMap, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: uint32(len(sources)),
		}
	}
	return c.counted
}

// lossCounter is what addLossCounters finds out.
type lossCounter struct {
	// buffers and tables are the maps to watch, by name, with the index of their
	// data source.
	buffers, tables map[string]int
	counted         map[int]bool
	// A call whose map is not known makes all counts of its kind a guess.
	unclearBuffers, unclearTables bool
}

// forget gives up counting what is unclear.
func (c *lossCounter) forget(unclear bool, maps map[string]int) {
	if !unclear {
		return
	}
	for _, index := range maps {
		delete(c.counted, index)
	}
}

// countedHelpers are those whose failures are losses, with the argument that is
// the map.
var countedHelpers = map[asm.BuiltinFunc]struct {
	name string
	arg  asm.Register
}{
	asm.FnRingbufReserve:  {"reserve", asm.R1},
	asm.FnRingbufOutput:   {"output", asm.R1},
	asm.FnPerfEventOutput: {"perf", asm.R2},
	asm.FnMapUpdateElem:   {"update", asm.R1},
}

// redirect sends a program's calls to functions that it appends.
func (c *lossCounter) redirect(prog *ebpf.ProgramSpec) {
	var source fmt.Stringer
	for i := range prog.Instructions {
		if source = prog.Instructions[i].Source(); source != nil {
			break
		}
	}
	targets := jumpTargets(prog.Instructions)
	wrappers := map[string]asm.Instructions{}
	for i := range prog.Instructions {
		ins := &prog.Instructions[i]
		if !ins.IsBuiltinCall() {
			continue
		}
		fn := asm.BuiltinFunc(ins.Constant)
		helper, isCounted := countedHelpers[fn]
		maps, unclear := c.buffers, &c.unclearBuffers
		if fn == asm.FnMapUpdateElem {
			maps, unclear = c.tables, &c.unclearTables
		}
		if fn == asm.FnRingbufReserveDynptr {
			*unclear = true
		}
		if !isCounted || len(maps) == 0 {
			continue
		}
		name := mapIn(prog.Instructions[:i], helper.arg, targets)
		if name == "" && fn != asm.FnMapUpdateElem && len(maps) == 1 {
			// Programs have many maps to add to, and hardly ever a second buffer.
			for name = range maps {
			}
		}
		index, watched := maps[name]
		// Without line information the kernel refuses a new function.
		if name == "" || watched && source == nil {
			*unclear = true
			continue
		}
		if !watched {
			continue
		}
		wrapper := "gadget_count_" + helper.name + strconv.Itoa(index)
		if wrappers[wrapper] == nil {
			wrappers[wrapper] = countingCall(wrapper, fn, index, source)
		}
		c.counted[index] = true
		prog.Instructions[i] = asm.Call.Label(wrapper).WithSymbol(ins.Symbol()).WithSource(ins.Source())
	}
	for _, w := range wrappers {
		prog.Instructions = append(prog.Instructions, w...)
	}
}

// mapIn names the map that the instruction after these finds in a register, "" when
// that cannot be seen: the map was loaded somewhere else, or in one of two branches.
func mapIn(before asm.Instructions, register asm.Register, targets map[int]bool) string {
	for i := len(before) - 1; i >= 0 && !targets[i+1]; i-- {
		ins := before[i]
		switch {
		case ins.OpCode.Class().IsJump() && (ins.OpCode.JumpOp() == asm.Call || ins.OpCode.JumpOp() == asm.Exit):
			return ""
		case ins.Dst != register || !ins.OpCode.Class().IsLoad() && !ins.OpCode.Class().IsALU():
		case ins.IsLoadFromMap():
			return ins.Reference()
		case ins.OpCode.ALUOp() == asm.Mov && ins.OpCode.Source() == asm.RegSource && ins.Offset == 0:
			register = ins.Src
		default:
			return ""
		}
	}
	return ""
}

// jumpTargets are the indexes of instructions that come after another than the one
// before them.
func jumpTargets(instructions asm.Instructions) map[int]bool {
	index := map[asm.RawInstructionOffset]int{}
	for iter := instructions.Iterate(); iter.Next(); {
		index[iter.Offset] = iter.Index
	}
	targets := map[int]bool{}
	for iter := instructions.Iterate(); iter.Next(); {
		op := iter.Ins.OpCode
		if !op.Class().IsJump() || op.JumpOp() == asm.Call || op.JumpOp() == asm.Exit {
			continue
		}
		distance := int64(iter.Ins.Offset)
		if op.Class() == asm.Jump32Class && op.JumpOp() == asm.Ja {
			distance = iter.Ins.Constant
		}
		if i, ok := index[asm.RawInstructionOffset(int64(iter.Offset)+1+distance)]; ok {
			targets[i] = true
		}
	}
	return targets
}

// countingCall is a function that calls fn with the caller's arguments, counts a
// failure in lossMap, and returns what fn returned.
func countingCall(name string, fn asm.BuiltinFunc, index int, source fmt.Stringer) asm.Instructions {
	done := name + "_done"
	succeeded := asm.Instructions{asm.JEq.Imm(asm.R0, 0, done)}
	switch fn {
	case asm.FnRingbufReserve:
		succeeded[0] = asm.JNE.Imm(asm.R0, 0, done) // anything but NULL
	case asm.FnMapUpdateElem:
		// An entry that is there already, or is not there, is what was asked for
		// (BPF_NOEXIST, BPF_EXIST); any other failure is one too few.
		succeeded = append(succeeded,
			asm.JEq.Imm(asm.R0, -int32(unix.EEXIST), done), asm.JEq.Imm(asm.R0, -int32(unix.ENOENT), done))
	}
	first := btf.WithFuncMetadata(fn.Call().WithSymbol(name), &btf.Func{
		Name:    name,
		Type:    &btf.FuncProto{Return: &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}},
		Linkage: btf.StaticFunc,
	}).WithSource(source)
	return append(append(asm.Instructions{first}, succeeded...),
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
		asm.Mov.Reg(asm.R0, asm.R6).WithSymbol(name+"_out"),
		asm.Return().WithSymbol(done),
	)
}

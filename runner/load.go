package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/bits"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/uprobe"
)

// tracerMapPrefix begins the variable by which GADGET_TRACER_MAP says that its
// programs also work with a perf event array (compat-spec §4.1).
const tracerMapPrefix = "gadget_map_tracer_"

// loaded is a gadget in the kernel, not yet attached.
type loaded struct {
	coll *ebpf.Collection
	// losses by data source.
	losses map[string]*loss
}

func (l *loaded) close() { l.coll.Close() }

// load brings the chosen programs of the plan and its maps into the kernel.
func load(c *choice, f filters, k *kernel, o Options) (*loaded, error) {
	p := c.plan
	if err := knownParams(p, o.Params); err != nil {
		return nil, err
	}
	if p.Spec == nil {
		return &loaded{coll: &ebpf.Collection{}}, nil
	}
	spec, err := prepare(p, c, o)
	if err != nil {
		return nil, err
	}
	// Kernels before 5.11 count maps against it.
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("lift the limit of locked memory: %w", err)
	}
	opts := k.loading()
	if opts.MapReplacements, err = f.install(spec); err != nil {
		return nil, err
	}

	var refused error
	counting := spec.Copy()
	if counted := addLossCounters(counting, p.Sources); len(counted) > 0 {
		coll, err := newCollection(counting, opts)
		if err == nil {
			return newLoaded(coll, p.Sources, counted), nil
		}
		// Our own instructions must never be the reason why a gadget does not run.
		refused = err
	}
	coll, err := newCollection(spec, opts)
	if err != nil {
		return nil, loadError(err, spec)
	}
	if refused != nil {
		c.log.Info("loading with a loss counter added did not work, going without", "error", refused)
	}
	return newLoaded(coll, p.Sources, nil), nil
}

// prepare writes into a copy of the plan's spec what this run wants: parameters,
// map sizes, ring buffers that this kernel has.
func prepare(p *plan.Plan, c *choice, o Options) (*ebpf.CollectionSpec, error) {
	spec := p.Spec.Copy()
	var user []string
	for i := range p.Programs {
		prog := &p.Programs[i]
		// A disabled program's target may not exist, which load would refuse.
		if !c.uses(prog.Name) {
			delete(spec.Programs, prog.Name)
			continue
		}
		target(prog, spec.Programs[prog.Name])
		if plan.IsUser(prog.Kind) {
			user = append(user, prog.Name)
		}
	}
	if err := uprobe.Prepare(spec, user); err != nil {
		return nil, err
	}
	if err := setParams(p, spec, o.Params); err != nil {
		return nil, err
	}
	for i := range p.Maps {
		if err := sizeMap(&p.Maps[i], spec); err != nil {
			return nil, err
		}
	}
	for _, s := range p.Sources {
		if s.Kind != plan.Tracer {
			continue
		}
		if err := sizeRing(s, spec, o.BufferSize); err != nil {
			return nil, err
		}
	}
	return spec, nil
}

// target tells a program where it is going to be attached, in the form that its
// type wants to know when it is loaded.
func target(prog *plan.Program, spec *ebpf.ProgramSpec) {
	switch spec.Type {
	case ebpf.Tracing, ebpf.LSM:
		spec.AttachTo = prog.Hook
	case ebpf.Kprobe:
		if singly(prog.Kind) {
			spec.AttachType = ebpf.AttachNone
		}
	}
}

// setParams writes the user's values into the object's constants.
func setParams(p *plan.Plan, spec *ebpf.CollectionSpec, values map[string]string) error {
	for i := range p.Params {
		param := &p.Params[i]
		if param.Variable == "" {
			continue
		}
		text, given := values[param.Key]
		if !given {
			text = param.Default
		}
		// Some defaults have no text that stands for them: the object has the bytes.
		if !given && (text == "" || param.Type == "ip" && text == plan.NoAddress) {
			continue
		}
		raw, err := param.Encode(text)
		if err != nil {
			return fmt.Errorf("--%s: %w", param.Key, err)
		}
		copy(spec.Variables[param.Variable].Value, raw)
	}
	return nil
}

// knownParams refuses values that the gadget's parameters do not take, or for
// parameters that it does not have.
func knownParams(p *plan.Plan, values map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		i := slices.IndexFunc(p.Params, func(param plan.Param) bool { return param.Key == key })
		if i < 0 {
			return fmt.Errorf("the gadget has no parameter %q", key)
		}
		if err := p.Params[i].Check(values[key]); err != nil {
			return fmt.Errorf("--%s: %w", key, err)
		}
	}
	return nil
}

// sizeMap gives a map the size that its <map>_max_entries variable says.
func sizeMap(m *plan.Map, spec *ebpf.CollectionSpec) error {
	if m.SizedBy == "" {
		return nil
	}
	var n uint32
	v := spec.Variables[m.SizedBy]
	if v.Size() != 4 {
		return fmt.Errorf("variable %s: it sizes map %s and must be a __u32", m.SizedBy, m.Name)
	}
	if err := v.Get(&n); err != nil {
		return fmt.Errorf("variable %s: %w", m.SizedBy, err)
	}
	if n > 0 {
		spec.Maps[m.Name].MaxEntries = n
	}
	return nil
}

// sizeRing gives a ring buffer our size, whatever the object says, and turns it
// into a perf event array on kernels before 5.8, where the gadget allows it.
func sizeRing(s *plan.Source, spec *ebpf.CollectionSpec, size int) error {
	m := spec.Maps[s.Map]
	if m.Type != ebpf.RingBuf {
		return fits(s, maxPerfSample)
	}
	if err := features.HaveMapType(ebpf.RingBuf); errors.Is(err, ebpf.ErrNotSupported) {
		if _, err := spec.Types.AnyTypeByName(tracerMapPrefix + s.Map); err != nil {
			return &HostError{Need: "ring buffers (Linux 5.8)", Err: err,
				Hint: "declare map " + s.Map + " by GADGET_TRACER_MAP, which falls back to perf buffers"}
		}
		m.Type, m.KeySize, m.ValueSize, m.MaxEntries = ebpf.PerfEventArray, 4, 4, 0
		m.Key, m.Value = nil, nil
		return fits(s, maxPerfSample)
	}
	if size <= 0 {
		size = DefaultBufferSize
	}
	m.MaxEntries = uint32(1) << bits.Len32(uint32(max(size, os.Getpagesize())-1))
	return fits(s, int(m.MaxEntries)-ringHeader)
}

const (
	// ringHeader precedes each sample in a ring buffer (BPF_RINGBUF_HDR_SZ in
	// include/uapi/linux/bpf.h).
	ringHeader = 8
	// maxPerfSample is what the 16 bit size of a perf record leaves for a sample
	// (struct perf_event_header in include/uapi/linux/perf_event.h).
	maxPerfSample = 1<<16 - 1 - 24
)

// fits refuses events none of which would ever find room in their buffer.
func fits(s *plan.Source, room int) error {
	if s.Layout.Size <= room {
		return nil
	}
	return &BufferError{Source: s.Name, Struct: s.Struct, Size: s.Layout.Size, Room: room}
}

// BufferError says that the events of a data source are larger than their buffer.
type BufferError struct {
	// Source is the data source, Struct the C struct of its events.
	Source, Struct string
	// Size of the struct and what the buffer has room for, in bytes.
	Size, Room int
}

func (e *BufferError) Error() string {
	return fmt.Sprintf("data source %s: struct %s has %d bytes, its buffer has room for %d", e.Source, e.Struct, e.Size, e.Room)
}

// perCPUBuffer is one CPU's share of a buffer, at least 64 KiB, in bytes.
func perCPUBuffer(size int) int {
	if size <= 0 {
		size = DefaultBufferSize
	}
	share := max(size/runtime.NumCPU(), 64<<10)
	return 1 << bits.Len(uint(share-1))
}

func newLoaded(coll *ebpf.Collection, sources []*plan.Source, counted map[int]bool) *loaded {
	l := &loaded{coll: coll, losses: map[string]*loss{}}
	for i, s := range sources {
		if s.Kind == plan.Tracer || s.Kind == plan.MapIterator {
			l.losses[s.Name] = openLoss(coll, s, i, counted[i])
		}
	}
	return l
}

// LoadError says which program the kernel did not take, for a reason other than
// its verifier's.
type LoadError struct {
	// Program is the C function, "" when it is not the fault of one.
	Program string
	Err     error
}

func (e *LoadError) Error() string { return fmt.Sprintf("load gadget: %v", e.Err) }

// Unwrap returns the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// loadError turns what the kernel said into something to act on.
func loadError(err error, spec *ebpf.CollectionSpec) error {
	name := ""
	for _, n := range slices.Sorted(maps.Keys(spec.Programs)) {
		// cilium/ebpf names the program only in the text of its error.
		if strings.Contains(err.Error(), "program "+n+":") {
			name = n
		}
	}
	prog := spec.Programs[name]
	var ve *ebpf.VerifierError
	if errors.As(err, &ve) && len(ve.Log) > 0 {
		var instructions asm.Instructions
		if prog != nil {
			instructions = prog.Instructions
		}
		return newVerifierError(name, instructions, ve, err)
	}
	if prog != nil && targetMissing(err, prog) {
		return &AttachError{Program: name, Section: prog.SectionName, Hook: prog.AttachTo, Err: fs.ErrNotExist}
	}
	if prog != nil && unavailable(err, prog) {
		if errors.Is(err, unix.EPERM) {
			// The library guesses at memory limits, which it is not.
			err = unix.EPERM
		}
		err = &HostError{Need: fmt.Sprintf("programs of section %q", prog.SectionName), Err: err,
			Hint: "its kernel was built, or locked down, without them; a gadget may name alternatives for such programs in its gadget.yaml"}
	}
	return &LoadError{Program: name, Err: err}
}

// targetMissing reports whether the program is of a type that names its target
// when it is loaded, and the kernel's types have no such target.
func targetMissing(err error, prog *ebpf.ProgramSpec) bool {
	if prog.Type != ebpf.Tracing && prog.Type != ebpf.LSM {
		return false
	}
	// cilium/ebpf says what is missing only in words.
	text := err.Error()
	return errors.Is(err, btf.ErrNotFound) || strings.Contains(text, prog.AttachTo+" not supported") ||
		strings.Contains(text, prog.AttachTo+" iterator not supported")
}

// unavailable reports whether the kernel refuses a program for its type or its
// target, which no change of the program would mend. Some kernels answer EPERM
// for whole types of programs, root or not.
func unavailable(err error, prog *ebpf.ProgramSpec) bool {
	switch {
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, btf.ErrNotFound):
		return true
	case errors.Is(err, unix.EPERM):
		return prog.Type == ebpf.Tracing || prog.Type == ebpf.LSM || prog.Type == ebpf.Extension
	}
	return false
}

// blame names the program whose fault an error is, "" for none.
func blame(err error) string {
	var (
		load     *LoadError
		attach   *AttachError
		verifier *VerifierError
	)
	switch {
	case errors.As(err, &verifier):
		return verifier.Program
	case errors.As(err, &attach):
		return attach.Program
	case errors.As(err, &load):
		return load.Program
	}
	return ""
}

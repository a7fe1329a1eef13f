package plan

import (
	"bytes"
	"fmt"
	"maps"
	"sort"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/schemas"
)

// Prefixes of the global variables by which the gadget macros declare things
// (compat-spec §4.1). The parts of a name are separated by three underscores.
const (
	tracerPrefix = "gadget_tracer_"
	paramPrefix  = "gadget_param_"
	iterPrefix   = "gadget_iter_"
	// snapshotterPrefix is the old name of iterPrefix.
	snapshotterPrefix = "gadget_snapshotter_"
	mapIterPrefix     = "gadget_mapiter_"
	iterTargetPrefix  = "gadget_mapelem_iter_target_"
	separator         = "___"
)

// Names with a meaning of their own (compat-spec §4.1).
const (
	// FilterMap is the map of mount namespaces that a gadget shows.
	FilterMap = "gadget_mntns_filter_map"
	// FilterSwitch is the variable that turns the filter on.
	FilterSwitch = "gadget_filter_by_mntns"
	// ProcessFilterMap is the map of processes that a gadget shows besides, and
	// ProcessFilterSwitch turns it on. Both are ours: images of others lack them.
	ProcessFilterMap    = "gadget_process_filter_map"
	ProcessFilterSwitch = "gadget_filter_by_process"

	lostSuffix       = "_lost_samples"
	maxEntriesSuffix = "_max_entries"
)

// New plans a gadget from its ELF object and its metadata. Either may be nil: a
// gadget without programs has no object, one without gadget.yaml no metadata.
// The error says what the object lacks; findings that do not stop a run are in
// Plan.Problems.
func New(object []byte, md *schemas.Metadata) (*Plan, error) {
	if md == nil {
		md = &schemas.Metadata{}
	}
	p := &Plan{Metadata: md}
	if object != nil {
		if err := p.read(object); err != nil {
			return nil, err
		}
	}
	p.addMade()
	p.addMetrics()
	p.addCustomParams()
	return p, nil
}

// read plans all that the object has.
func (p *Plan) read(object []byte) error {
	object, hidden, err := adaptUSDT(object)
	if err != nil {
		return fmt.Errorf("read eBPF object: %w", err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return fmt.Errorf("read eBPF object: %w", err)
	}
	p.Spec = spec
	if spec.Types == nil {
		return fmt.Errorf("read eBPF object: it has no BTF type information; compile it with -g")
	}
	placeCookie(spec)
	makeStatic(spec, hidden)
	_, p.FiltersContainers = spec.Maps[FilterMap]
	_, p.FiltersProcesses = spec.Maps[ProcessFilterMap]

	decls, err := declarations(spec.Types)
	if err != nil {
		return fmt.Errorf("read eBPF object: %w", err)
	}
	for _, d := range decls {
		if err := p.declare(d); err != nil {
			return err
		}
	}
	p.addPrograms(decls)
	p.addMaps()
	return nil
}

// declare plans what one gadget macro declares.
func (p *Plan) declare(decl string) error {
	for _, macro := range []struct {
		prefix string
		add    func(string) error
	}{
		{tracerPrefix, p.addTracer},
		{paramPrefix, p.addParam},
		{iterPrefix, p.addIterator},
		{snapshotterPrefix, p.addIterator},
		{mapIterPrefix, p.addMapIterator},
	} {
		if rest, ok := strings.CutPrefix(decl, macro.prefix); ok {
			return macro.add(rest)
		}
	}
	return nil
}

// declarations returns the names of all variables made by gadget macros, in the
// order of the object. Only global variables of type `const void *` count, as in
// every reader of this format.
func declarations(types *btf.Spec) ([]string, error) {
	var names []string
	for typ, err := range types.All() {
		if err != nil {
			return nil, err
		}
		v, ok := typ.(*btf.Var)
		if !ok || v.Linkage != btf.GlobalVar || !strings.HasPrefix(v.Name, "gadget_") {
			continue
		}
		ptr, ok := v.Type.(*btf.Pointer)
		if !ok {
			continue
		}
		c, ok := ptr.Target.(*btf.Const)
		if !ok {
			continue
		}
		if _, ok := c.Type.(*btf.Void); ok {
			names = append(names, v.Name)
		}
	}
	return names, nil
}

// addTracer plans the data source that GADGET_TRACER(name, map, type) declares.
func (p *Plan) addTracer(decl string) error {
	parts := strings.Split(decl, separator)
	if len(parts) != 3 {
		return fmt.Errorf("GADGET_TRACER %q: want name, map and struct; none of them may contain %q", decl, separator)
	}
	name, mapName, structName := parts[0], parts[1], parts[2]
	if p.Source(name) != nil {
		return fmt.Errorf("GADGET_TRACER %s: declared twice", name)
	}
	m, ok := p.Spec.Maps[mapName]
	if !ok {
		return fmt.Errorf("GADGET_TRACER %s: no map %q in the object%s", name, mapName, suggest(mapName, maps.Keys(p.Spec.Maps)))
	}
	if m.Type != ebpf.RingBuf && m.Type != ebpf.PerfEventArray {
		return fmt.Errorf("GADGET_TRACER %s: map %q is %s; it must be a ring buffer or a perf event array, for example by GADGET_TRACER_MAP", name, mapName, m.Type)
	}
	row, err := p.structNamed(structName)
	if err != nil {
		return fmt.Errorf("GADGET_TRACER %s: %w", name, err)
	}
	layout, err := p.layout(name, part{row, 0, ""})
	if err != nil {
		return fmt.Errorf("GADGET_TRACER %s: %w", name, err)
	}
	src := &Source{Name: name, Kind: Tracer, Layout: layout, Map: mapName, Struct: structName}
	src.Lost = p.lossCounter(mapName)
	p.Sources = append(p.Sources, src)
	return nil
}

// lossCounter finds the gadget's own counter of what a map had no room for.
func (p *Plan) lossCounter(mapName string) string {
	if m, ok := p.Spec.Maps[mapName+lostSuffix]; ok && m.Type == ebpf.PerCPUArray && m.ValueSize == 8 {
		return m.Name
	}
	return ""
}

// Source returns the data source of that name, nil when there is none.
func (p *Plan) Source(name string) *Source {
	for _, s := range p.Sources {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Program returns the program of that name, nil when there is none.
func (p *Plan) Program(name string) *Program {
	for i := range p.Programs {
		if p.Programs[i].Name == name {
			return &p.Programs[i]
		}
	}
	return nil
}

// addMaps lists the maps and what they cost.
func (p *Plan) addMaps() {
	for name, spec := range p.Spec.Maps {
		m := Map{
			Name: name, Type: spec.Type, KeySize: spec.KeySize, ValueSize: spec.ValueSize,
			MaxEntries: spec.MaxEntries, Pinned: spec.Pinning == ebpf.PinByName,
		}
		switch spec.Type {
		case ebpf.RingBuf:
			m.Bytes = uint64(spec.MaxEntries)
		case ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash, ebpf.PerCPUCGroupStorage:
			m.PerCPU = true
			fallthrough
		default:
			// Arrays round values up to 8 bytes (kernel/bpf/arraymap.c), hashes
			// keep the key beside the value (kernel/bpf/hashtab.c).
			value := (uint64(spec.ValueSize) + 7) &^ 7
			if isHash(spec.Type) {
				value += (uint64(spec.KeySize) + 7) &^ 7
			}
			m.Bytes = uint64(spec.MaxEntries) * value
		}
		if v := name + maxEntriesSuffix; p.Spec.Variables[v] != nil {
			m.SizedBy = v
		}
		p.Maps = append(p.Maps, m)
	}
	sort.Slice(p.Maps, func(i, j int) bool { return p.Maps[i].Name < p.Maps[j].Name })
}

func isHash(t ebpf.MapType) bool {
	switch t {
	case ebpf.Hash, ebpf.LRUHash, ebpf.PerCPUHash, ebpf.LRUCPUHash, ebpf.HashOfMaps:
		return true
	}
	return false
}

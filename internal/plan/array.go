package plan

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/schemas"
)

// Parameters of array data sources, by full name in paramDefaults.
const (
	mapFetchInterval = "operator.oci.ebpf.map-fetch-interval"
	mapFetchCount    = "operator.oci.ebpf.map-fetch-count"
	// defaultMapInterval is how often a map is read and emptied.
	defaultMapInterval = time.Second
)

// addIterator plans the data source that GADGET_ITER(name, struct, program…)
// declares: rows written by one to three iterator programs.
func (p *Plan) addIterator(decl string) error {
	parts := strings.Split(decl, separator)
	if len(parts) < 3 || len(parts) > 5 {
		return fmt.Errorf("GADGET_ITER %q: want name, struct and one to three programs; none of them may contain %q", decl, separator)
	}
	name, structName, programs := parts[0], parts[1], parts[2:]
	if p.Source(name) != nil {
		return fmt.Errorf("GADGET_ITER %s: declared twice", name)
	}
	for _, prog := range programs {
		spec, ok := p.Spec.Programs[prog]
		if !ok {
			return fmt.Errorf("GADGET_ITER %s: no program %q in the object%s", name, prog,
				suggest(prog, maps.Keys(p.Spec.Programs)))
		}
		if spec.Type != ebpf.Tracing || spec.AttachType != ebpf.AttachTraceIter {
			return fmt.Errorf("GADGET_ITER %s: program %q is SEC(%q); it must be SEC(\"iter/...\")", name, prog, spec.SectionName)
		}
	}
	row, err := p.structNamed(structName)
	if err != nil {
		return fmt.Errorf("GADGET_ITER %s: %w", name, err)
	}
	layout, err := p.layout(name, part{row, 0, ""})
	if err != nil {
		return fmt.Errorf("GADGET_ITER %s: %w", name, err)
	}
	layout.Array = true
	s := &Source{Name: name, Kind: Iterator, Layout: layout, Struct: structName, Programs: programs}
	pos := p.Metadata.DataSources[strings.ToLower(name)].Pos
	if s.Interval, err = duration(layout.Annotations["fetch-interval"], 0); err != nil {
		p.ignore(pos, name, "fetch-interval: "+err.Error())
	}
	if s.Count, err = count(layout.Annotations["fetch-count"], 1); err != nil {
		p.ignore(pos, name, "fetch-count: "+err.Error())
	}
	s.FinalFetch = layout.Annotations["ebpf.iter.fetch-on-stop"] == "true"
	p.Sources = append(p.Sources, s)
	return nil
}

// addMapIterator plans the data source that GADGET_MAPITER(name, map) declares:
// the entries of a hash map.
func (p *Plan) addMapIterator(decl string) error {
	name, mapName, ok := strings.Cut(decl, separator)
	if !ok || strings.Contains(mapName, separator) {
		return fmt.Errorf("GADGET_MAPITER %q: want name and map; none of them may contain %q", decl, separator)
	}
	if p.Source(name) != nil {
		return fmt.Errorf("GADGET_MAPITER %s: declared twice", name)
	}
	m, ok := p.Spec.Maps[mapName]
	if !ok {
		return fmt.Errorf("GADGET_MAPITER %s: no map %q in the object%s", name, mapName,
			suggest(mapName, maps.Keys(p.Spec.Maps)))
	}
	if m.Type != ebpf.Hash {
		return fmt.Errorf("GADGET_MAPITER %s: map %q is %s; only a hash can be read and emptied at once", name, mapName, m.Type)
	}
	key, keyOK := m.Key.(*btf.Struct)
	value, valueOK := m.Value.(*btf.Struct)
	if !keyOK || !valueOK || key.Size != m.KeySize || value.Size != m.ValueSize {
		return fmt.Errorf("GADGET_MAPITER %s: key and value of map %q must be structs, given by __type()", name, mapName)
	}
	layout, err := p.layout(name, part{key, 0, "role:key"}, part{value, int(m.KeySize), ""})
	if err != nil {
		return fmt.Errorf("GADGET_MAPITER %s: %w", name, err)
	}
	layout.Array = true
	s := &Source{Name: name, Kind: MapIterator, Layout: layout, Map: mapName, Lost: p.lossCounter(mapName), Struct: value.Name}
	if s.Interval, err = duration(perSource(p.Metadata.ParamDefaults[mapFetchInterval], name), defaultMapInterval); err != nil {
		p.ignoreDefault(mapFetchInterval, err)
	}
	if s.Count, err = count(perSource(p.Metadata.ParamDefaults[mapFetchCount], name), 0); err != nil {
		p.ignoreDefault(mapFetchCount, err)
	}
	s.FinalFetch = layout.Annotations["ebpf.map.flush-on-stop"] == "true"
	p.Sources = append(p.Sources, s)
	return nil
}

// ignoreDefault notes a value of paramDefaults that makes no sense.
func (p *Plan) ignoreDefault(name string, err error) {
	p.Problems = append(p.Problems, schemas.Problem{Severity: schemas.Error, Message: fmt.Sprintf("paramDefaults: %s: %v", name, err)})
}

// perSource picks a data source's value from "v", for all, or from "a:v1,b:v2".
func perSource(text, source string) string {
	if !strings.Contains(text, ":") {
		return text
	}
	for item := range strings.SplitSeq(text, ",") {
		if name, value, ok := strings.Cut(item, ":"); ok && strings.TrimSpace(name) == source {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// duration reads a Go duration, or a bare 0. It is the fallback with an error, too.
func duration(text string, fallback time.Duration) (time.Duration, error) {
	if text == "" {
		return fallback, nil
	}
	if text == "0" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fallback, fmt.Errorf("%q is not a duration such as 500ms or 2s", text)
	}
	return d, nil
}

func count(text string, fallback uint64) (uint64, error) {
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return fallback, fmt.Errorf("%q is not a whole number", text)
	}
	return n, nil
}

// suggest is the end of a message about an unknown name.
func suggest(name string, known iter.Seq[string]) string {
	if hint := schemas.DidYouMean(name, slices.Collect(known)); hint != "" {
		return "; " + hint
	}
	return ""
}

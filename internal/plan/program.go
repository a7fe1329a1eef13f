package plan

import (
	"sort"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/gadget-bpf/gadget/schemas"
)

// addPrograms lists the programs and where they attach.
func (p *Plan) addPrograms(decls []string) {
	targets := map[string]string{}
	for _, d := range decls {
		if rest, ok := strings.CutPrefix(d, iterTargetPrefix); ok {
			prog, target, _ := strings.Cut(rest, separator)
			targets[prog] = target
		}
	}
	for name, spec := range p.Spec.Programs {
		prog := Program{
			Name: name, Section: spec.SectionName, Kind: kindOf(spec), Type: spec.Type,
			Hook: spec.AttachTo, Target: targets[name], Instructions: len(spec.Instructions),
		}
		if to := p.Metadata.Programs[strings.ToLower(name)].AttachTo; to != "" {
			prog.Hook = to
		}
		prog.Disabled = prog.Hook == schemas.ProgramDisabled
		p.Programs = append(p.Programs, prog)
		if p.License == "" {
			p.License = spec.License
		}
	}
	sort.Slice(p.Programs, func(i, j int) bool {
		a, b := &p.Programs[i], &p.Programs[j]
		if a.Section != b.Section {
			return a.Section < b.Section
		}
		return a.Name < b.Name
	})
}

// kindOf names what kind of program a section holds. Sections of some types need
// only begin with their name (libbpf's sec_def_matches), so the type decides
// where it says enough.
func kindOf(spec *ebpf.ProgramSpec) string {
	// A question mark keeps libbpf from loading a program; it means nothing here.
	section := strings.TrimPrefix(spec.SectionName, "?")
	kind, _, _ := strings.Cut(section, "/")
	kind = strings.TrimSuffix(kind, ".s")
	switch spec.Type {
	case ebpf.TracePoint:
		return "tracepoint"
	case ebpf.RawTracepoint:
		return "raw_tp"
	case ebpf.PerfEvent:
		return "perf_event"
	}
	return kind
}

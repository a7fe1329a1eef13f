package plan

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/gadget-bpf/gadget/schemas"
)

// addPrograms lists the programs, where they attach, and what gadget.yaml says of them.
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
			Name: name, Section: spec.SectionName, Kind: kindOf(spec), Type: spec.Type, Calls: callsOf(spec),
			Hook: spec.AttachTo, Target: targets[name], Instructions: len(spec.Instructions),
		}
		prog.Powers = powersOf(spec, prog.Calls)
		conf := p.settings(&prog)
		switch {
		case conf.AttachTo == "":
		case prog.Kind == "iter" && conf.AttachTo != schemas.ProgramDisabled:
			p.problem(schemas.Warning, conf.Pos, "remove it", "attach_to of program %q has no effect: its section says what it iterates over", name)
		default:
			prog.Hook = conf.AttachTo
		}
		if prog.Kind == "perf_event" {
			addPerf(&prog, conf)
		}
		prog.Disabled = prog.Hook == schemas.ProgramDisabled
		prog.Optional, prog.When = conf.Optional, p.condition(name, conf)
		p.checkProgram(&prog, conf.Pos)
		p.Programs = append(p.Programs, prog)
		if p.License == "" {
			p.License = spec.License
		}
	}
	slices.SortFunc(p.Programs, func(a, b Program) int {
		return cmp.Or(cmp.Compare(a.Section, b.Section), cmp.Compare(a.Name, b.Name))
	})
	p.addGroups()
}

// settings are what gadget.yaml says of a program: by the C function, or for a
// perf_event program by the part of the section behind the slash (compat-spec §4.9).
func (p *Plan) settings(prog *Program) schemas.Program {
	if _, suffix := sectionParts(prog.Section); prog.Kind == "perf_event" && suffix != "" {
		if conf, ok := p.Metadata.Programs[strings.ToLower(suffix)]; ok {
			return conf
		}
	}
	return p.Metadata.Programs[strings.ToLower(prog.Name)]
}

// addGroups lists the alternatives that gadget.yaml names.
func (p *Plan) addGroups() {
	var names []string
	for i := range p.Programs {
		names = append(names, p.Programs[i].Name)
	}
	slices.Sort(names)
	for _, name := range slices.Sorted(maps.Keys(p.Metadata.Programs)) {
		conf := p.Metadata.Programs[name]
		if len(conf.Alternatives) == 0 {
			continue
		}
		group := Group{Name: name, Optional: conf.Optional}
		for _, a := range conf.Alternatives {
			if !slices.Contains(names, a) {
				p.problem(schemas.Error, conf.Pos, schemas.DidYouMean(a, names),
					"alternatives of %s: the object has no program %q", name, a)
				continue
			}
			group.Programs = append(group.Programs, a)
		}
		// That of a program of the same name has been read.
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			group.When = p.condition(name, conf)
		}
		p.Groups = append(p.Groups, group)
	}
}

func (p *Plan) problem(severity schemas.Severity, pos schemas.Pos, hint, format string, args ...any) {
	p.Problems = append(p.Problems, schemas.Problem{Severity: severity, Pos: pos, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// condition parses the `when` of a program or a group, nil when there is none.
func (p *Plan) condition(name string, conf schemas.Program) *Condition {
	if conf.When == "" {
		return nil
	}
	c, err := ParseCondition(conf.When)
	if err != nil {
		p.problem(schemas.Error, conf.WhenPos, "", "when of program %q: %v", name, err)
		return nil
	}
	return c
}

// checkProgram finds what keeps a program from being attached on any kernel.
func (p *Plan) checkProgram(prog *Program, pos schemas.Pos) {
	severity, hint := schemas.Error, ""
	switch {
	case prog.Disabled:
		return
	case prog.TypePower() != "":
		severity = schemas.Warning
		hint = "gadget run refuses it"
	case prog.Fault != "":
	case prog.Kind == "tracepoint" && !isPair(prog.Hook):
		prog.Fault = fmt.Sprintf("%q is no tracepoint; write category/name", prog.Hook)
	case isProbe(prog.Kind) && prog.Hook == "":
		prog.Fault = fmt.Sprintf("its section names no function; write %s/NAME", prog.Kind)
	case isProbe(prog.Kind) && strings.ContainsAny(prog.Hook, "*?[,"):
		prog.Fault = fmt.Sprintf("%q is no function; patterns and lists are for kprobe.multi and kretprobe.multi", prog.Hook)
	case IsUser(prog.Kind):
		if _, err := ParseUserTarget(prog.Kind, prog.Hook); err != nil {
			prog.Fault = err.Error()
		}
	case IsMulti(prog.Kind):
		for pattern := range strings.SplitSeq(prog.Hook, ",") {
			if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
				prog.Fault = fmt.Sprintf("%q is no list of functions or patterns", prog.Hook)
			}
		}
	}
	switch {
	case prog.Fault != "":
		p.problem(severity, pos, hint, "program %s (SEC %q): %s", prog.Name, prog.Section, prog.Fault)
	case prog.TypePower() != "":
		p.problem(severity, pos, hint, "program %s (SEC %q): such a program could %s", prog.Name, prog.Section, prog.TypePower())
	}
}

func isPair(s string) bool {
	before, after, ok := strings.Cut(s, "/")
	return ok && before != "" && after != ""
}

// isProbe says whether programs of a kind attach to one function by kprobes.
func isProbe(kind string) bool {
	return slices.Contains([]string{"kprobe", "kretprobe", "ksyscall", "kretsyscall"}, kind)
}

// IsMulti says whether programs of a kind attach to all functions that a list of
// patterns matches.
func IsMulti(kind string) bool {
	return slices.Contains([]string{"kprobe.multi", "kretprobe.multi", "kprobe.session"}, kind)
}

// kindOf names what kind of program a section holds. Sections of some types need
// only begin with their name (libbpf's sec_def_matches), so the type decides
// where it says enough.
func kindOf(spec *ebpf.ProgramSpec) string {
	switch spec.Type {
	case ebpf.TracePoint:
		return "tracepoint"
	case ebpf.RawTracepoint:
		return "raw_tp"
	case ebpf.PerfEvent:
		return "perf_event"
	}
	kind, _ := sectionParts(spec.SectionName)
	return strings.TrimSuffix(kind, ".s")
}

// sectionParts splits a section at its first slash. A question mark before it
// keeps libbpf from loading a program; it means nothing here.
func sectionParts(section string) (kind, rest string) {
	kind, rest, _ = strings.Cut(strings.TrimPrefix(section, "?"), "/")
	return kind, rest
}

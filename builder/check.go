package builder

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

// check holds the metadata against what the programs really have. A name that
// nothing stands behind is an error, as its author believes otherwise; with a
// WASM module, which may make data sources and fields of its own, a warning.
func check(p *plan.Plan, md *schemas.Metadata, wasm bool) []schemas.Problem {
	c := &checker{plan: p, md: md, severity: schemas.Error}
	if wasm {
		c.severity = schemas.Warning
	}
	c.sources()
	c.params()
	c.programs()
	found := append(slices.Clone(p.Problems), c.problems...)
	slices.SortStableFunc(found, func(a, b schemas.Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	return found
}

type checker struct {
	plan     *plan.Plan
	md       *schemas.Metadata
	severity schemas.Severity
	problems []schemas.Problem
}

// unknown reports a name that is none of valid.
func (c *checker) unknown(pos schemas.Pos, name string, valid []string, message string) {
	hint := schemas.DidYouMean(name, valid)
	if hint == "" && len(valid) > 0 && len(valid) <= 8 {
		hint = "there is " + strings.Join(valid, ", ")
	}
	c.problems = append(c.problems, schemas.Problem{Severity: c.severity, Pos: pos, Message: message, Hint: hint})
}

// sources checks the names below datasources.
func (c *checker) sources() {
	var names []string
	layouts := map[string]*event.Layout{}
	for _, s := range c.plan.Sources {
		names = append(names, s.Name)
		layouts[strings.ToLower(s.Name)] = s.Layout
	}
	for _, key := range slices.Sorted(maps.Keys(c.md.DataSources)) {
		ds := c.md.DataSources[key]
		layout, ok := layouts[key]
		if !ok {
			c.unknown(ds.Pos, ds.Name, names, fmt.Sprintf("the gadget has no data source %q", ds.Name))
			continue
		}
		c.fields(ds, layout)
	}
}

// fields checks the names below datasources.NAME.fields.
func (c *checker) fields(ds schemas.DataSource, layout *event.Layout) {
	valid := fieldNames(ds, layout)
	known := map[string]bool{}
	for _, name := range valid {
		known[strings.ToLower(name)] = true
	}
	for _, key := range slices.Sorted(maps.Keys(ds.Fields)) {
		f := ds.Fields[key]
		if !known[key] {
			c.unknown(f.Pos, f.Name, valid, fmt.Sprintf("data source %s has no field %q", layout.Name, f.Name))
		}
		if shown := f.Annotations["columns.replace"]; shown != "" && layout.Field(shown) == nil {
			c.unknown(f.Pos, shown, valid, fmt.Sprintf("columns.replace of field %q: data source %s has no field %q", f.Name, layout.Name, shown))
		}
	}
}

// fieldNames returns all names that mean something in a data source: its fields
// and the structs around them, and what operators add to fields of some types.
func fieldNames(ds schemas.DataSource, layout *event.Layout) []string {
	var names []string
	seen := map[string]bool{}
	add := func(name string) {
		if name != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for i := range layout.Fields {
		f := &layout.Fields[i]
		add(f.Name)
		for _, suffix := range added(f) {
			add(suffix)
		}
	}
	for _, f := range layout.Fields {
		for parent := f.Name; strings.Contains(parent, "."); {
			parent = parent[:strings.LastIndexByte(parent, '.')]
			add(parent)
		}
	}
	for _, f := range ds.Fields {
		for key, value := range f.Annotations {
			if strings.HasSuffix(key, ".target") || key == "ebpf.formatter.enum" || key == "ebpf.formatter.kstack" {
				add(value)
			}
		}
	}
	for key, value := range ds.Annotations {
		if name, ok := strings.CutPrefix(key, "env.fields."); ok {
			add(name)
		}
		if key == "ebpf.rest.name" {
			add(value)
		}
	}
	return names
}

// added returns the fields that operators make of a field by its type.
func added(f *event.Field) []string {
	var out []string
	switch f.Type {
	case "gadget_kernel_stack":
		if base, ok := strings.CutSuffix(f.Name, "_raw"); ok {
			out = append(out, base)
		}
	case "gadget_l3endpoint_t", "gadget_l4endpoint_t":
		for _, name := range []string{"kind", "name", "namespace", "labels", "podSelector"} {
			out = append(out, f.Name+".k8s."+name)
		}
		out = append(out, f.Name+".addr_raw", f.Name+".version")
	}
	if stack, ok := strings.CutSuffix(f.Name, ".otel_correlation_id"); ok {
		out = append(out, stack+".addresses", stack+".buildid", stack+".symbols")
	}
	return out
}

// params checks the names below params.ebpf.
func (c *checker) params() {
	var names []string
	for _, p := range c.plan.Params {
		names = append(names, p.Variable)
	}
	for _, key := range slices.Sorted(maps.Keys(c.md.Params.EBPF)) {
		if slices.Contains(names, key) {
			continue
		}
		pos := c.md.Params.EBPF[key].Pos
		if c.plan.Spec != nil && c.plan.Spec.Variables[key] != nil {
			c.problems = append(c.problems, schemas.Problem{
				Severity: schemas.Error, Pos: pos,
				Message: fmt.Sprintf("variable %q is not a parameter of the program", key),
				Hint:    fmt.Sprintf("declare it const volatile and add GADGET_PARAM(%s);", key),
			})
			continue
		}
		c.problems = append(c.problems, schemas.Problem{
			Severity: schemas.Error, Pos: pos,
			Message: fmt.Sprintf("the program has no variable %q", key),
			Hint:    schemas.DidYouMean(key, names),
		})
	}
}

// programs checks the names below programs: C functions, for perf_event programs
// also what follows the slash of the section, or any name for a list of alternatives.
func (c *checker) programs() {
	var names []string
	for _, p := range c.plan.Programs {
		names = append(names, p.Name)
		if suffix, ok := strings.CutPrefix(p.Section, "perf_event/"); ok {
			names = append(names, suffix)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(c.md.Programs)) {
		known := slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, key) })
		if conf := c.md.Programs[key]; !known && len(conf.Alternatives) == 0 {
			c.unknown(conf.Pos, key, names, fmt.Sprintf("the object has no program %q", key))
		}
	}
}

// agree says whether two platforms of a gadget have the same data sources, as
// one metadata file describes both.
func agree(a, b *plan.Plan) error {
	for _, s := range a.Sources {
		other := b.Source(s.Name)
		if other == nil {
			return fmt.Errorf("only the first has data source %s", s.Name)
		}
		if x, y := shape(s.Layout), shape(other.Layout); !slices.Equal(x, y) {
			return fmt.Errorf("data source %s has fields %s in the first and %s in the second", s.Name, strings.Join(x, ", "), strings.Join(y, ", "))
		}
	}
	if len(a.Sources) != len(b.Sources) {
		return fmt.Errorf("the first has %d data sources, the second %d", len(a.Sources), len(b.Sources))
	}
	return nil
}

// shape names the fields of a layout with their kinds.
func shape(l *event.Layout) []string {
	out := make([]string, len(l.Fields))
	for i, f := range l.Fields {
		out[i] = fmt.Sprintf("%s:%d", f.Name, f.Kind)
	}
	return out
}

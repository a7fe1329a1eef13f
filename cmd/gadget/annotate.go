package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/schemas"
)

// annotations is the flag --annotate: what is said over gadget.yaml, about data
// sources and their fields (compat-spec §5.11).
type annotations []annotation

// annotation is one of them; field is "" for the data source itself.
type annotation struct{ source, field, key, value string }

// annotationStart is how an annotation begins. A comma that no such text follows
// belongs to the value before it.
var annotationStart = regexp.MustCompile(`^([^:.=]+)(?:\.([^:=]+))?:([^:=]+)=`)

// String implements pflag.Value.
func (l *annotations) String() string {
	var texts []string
	for _, a := range *l {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ",")
}

// String writes an annotation as it is given.
func (a annotation) String() string {
	name := a.source
	if a.field != "" {
		name += "." + a.field
	}
	return name + ":" + a.key + "=" + a.value
}

// Type implements pflag.Value.
func (l *annotations) Type() string { return "LIST" }

// Set implements pflag.Value. Given several times, the flag adds up.
func (l *annotations) Set(s string) error {
	s, err := fromFile(s)
	if err != nil {
		return err
	}
	begun := false
	for part := range strings.SplitSeq(s, ",") {
		m := annotationStart.FindStringSubmatch(part)
		switch {
		case m != nil:
			*l = append(*l, annotation{m[1], m[2], m[3], part[len(m[0]):]})
			begun = true
		case begun:
			last := &(*l)[len(*l)-1]
			last.value += "," + part
		default:
			return fmt.Errorf("%q is not SOURCE:KEY=VALUE or SOURCE.FIELD:KEY=VALUE", part)
		}
	}
	return nil
}

// apply says them over the metadata.
func (l annotations) apply(md *schemas.Metadata) error {
	for _, a := range l {
		if err := md.Annotate(a.source, a.field, a.key, a.value); err != nil {
			return &fault{code: exitUsage, err: fmt.Errorf("--annotate %s: %w", a, err)}
		}
	}
	return nil
}

// check refuses names that the gadget does not have.
func (l annotations) check(g *gadget) error {
	for _, a := range l {
		f := &fault{code: exitUsage}
		names := g.sourceNames()
		i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, a.source) })
		if i < 0 {
			f.err = fmt.Errorf("--annotate %s: %s has no data source %q", a, g.name, a.source)
			return f.hint("%s", didYouMean("", a.source, names)).hint("it has: %s", strings.Join(names, ", "))
		}
		if a.field == "" {
			continue
		}
		var fields []string
		for _, field := range g.plan.Sources[i].Layout.Fields {
			if field.Class() != event.None {
				fields = append(fields, field.Name)
			}
		}
		if !slices.ContainsFunc(fields, func(n string) bool { return strings.EqualFold(n, a.field) }) {
			f.err = fmt.Errorf("--annotate %s: data source %s has no field %q", a, names[i], a.field)
			return f.hint("%s", didYouMean("", a.field, fields)).hint("gadget run %s --help lists the fields", g.name)
		}
	}
	return nil
}

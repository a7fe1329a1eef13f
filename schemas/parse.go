package schemas

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// ParseMetadata reads a gadget.yaml. The name of the file is for messages only.
//
// It is the same for building and for running, and never refuses an image that
// exists: the error is set only for what is not YAML at all (or is over
// [MaxFile], or whose aliases explode), and then the metadata is nil. All else
// that is wrong comes as problems in the order of the file, and the metadata
// holds what could be understood. Builders refuse problems, runners only show
// them.
func ParseMetadata(file string, src []byte) (*Metadata, []Problem, error) {
	r := &reader{file: file}
	roots, err := r.documents(src, 2)
	if err != nil {
		// What stands behind the first document was never read by anyone.
		first, firstErr := r.documents(src, 1)
		if firstErr != nil || len(first) == 0 {
			return nil, nil, err
		}
		roots = first
		r.report(Warning, first[0], err.Error(), "only the first document of the file is read, and the rest is broken")
	}
	m := newMetadata(file)
	if len(roots) > 1 {
		r.report(Warning, roots[1], "remove it", "only the first document of the file is read, this one is not")
	}
	if len(roots) > 0 {
		m.root = roots[0]
		r.metadata(m, m.root, "gadget.yaml")
	}
	sortProblems(r.problems)
	return m, r.problems, nil
}

func newMetadata(file string) *Metadata {
	return &Metadata{
		Annotations:   map[string]string{},
		DataSources:   map[string]DataSource{},
		ParamDefaults: map[string]string{},
		Operator:      map[string]string{},
		Programs:      map[string]Program{},
		Params:        Params{EBPF: map[string]Param{}, WASM: map[string]Param{}, Custom: map[string]Param{}},
		file:          file,
	}
}

// metadata reads what n says into m, over what is there already.
func (r *reader) metadata(m *Metadata, n *yaml.Node, what string) {
	for _, e := range r.undotted(n, what) {
		r.metadataKey(m, e)
	}
}

// undotted is entries with a.b: x read as a: {b: x}. It is for levels whose
// keys have no dots of their own.
func (r *reader) undotted(n *yaml.Node, what string) []entry {
	entries := r.entries(n, what)
	for i, e := range entries {
		first, rest, dotted := cutDot(e.raw)
		if !dotted || first == "" || rest == "" {
			continue
		}
		key := *e.at
		key.Kind, key.Tag, key.Value = yaml.ScalarNode, "!!str", rest
		value := &yaml.Node{Kind: yaml.MappingNode, Line: key.Line, Column: key.Column, Content: []*yaml.Node{&key, e.value}}
		entries[i] = entry{strings.ToLower(first), first, e.at, value}
	}
	return entries
}

func (r *reader) metadataKey(m *Metadata, e entry) {
	switch e.key {
	case "name":
		m.Name = r.text(e.value, "name")
	case "description":
		m.Description = r.text(e.value, "description")
	case "homepageurl":
		m.HomepageURL = r.text(e.value, "homepageURL")
	case "documentationurl":
		m.DocumentationURL = r.text(e.value, "documentationURL")
	case "sourceurl":
		m.SourceURL = r.text(e.value, "sourceURL")
	case "annotations":
		r.imageAnnotations(m, e)
	case "datasources":
		for _, s := range r.undotted(e.value, "datasources") {
			r.dataSource(m.DataSources, s)
		}
	case "params":
		r.params(&m.Params, e.value)
	case "ebpfparams":
		r.paramSection(m.Params.EBPF, e.value, "ebpf")
	case "category":
		r.text(e.value, "category") // for catalogues, as are tags
	case "tags":
		r.list(e.value, "tags")
	case "paramdefaults":
		for _, d := range r.entries(e.value, "paramDefaults") {
			r.flatten(m.ParamDefaults, d.key, d.value)
		}
	case "operator":
		for _, o := range r.undotted(e.value, "operator") {
			r.flatten(m.Operator, o.key, o.value)
			r.checkOperator(o)
		}
	case "programs":
		for _, p := range r.undotted(e.value, "programs") {
			r.program(m.Programs, p)
		}
	default:
		if slices.ContainsFunc(deadKeys, func(k string) bool { return strings.EqualFold(k, e.key) }) {
			r.report(Warning, e.at, "remove it", "%s is a key of old files and has no effect", e.raw)
			return
		}
		r.unknown(e, "gadget.yaml", metadataKeys)
	}
}

// imageAnnotations keeps letter case, as these become annotations of the image.
func (r *reader) imageAnnotations(m *Metadata, e entry) {
	for _, a := range r.entries(e.value, "annotations") {
		key := a.raw
		if a.key == AnnotationContainers {
			key = a.key
		} else if near := nearestSpelling(a.key, []string{AnnotationContainers}); near != "" {
			r.report(Warning, a.at, fmt.Sprintf("did you mean %q?", near), "annotation %q has no effect", a.raw)
		}
		m.Annotations[key] = r.text(a.value, fmt.Sprintf("annotation %q", a.raw))
	}
}

// checkOperator holds the settings of an operator that is known against those it
// has. The others are for other tools.
func (r *reader) checkOperator(o entry) {
	settings, known := operators[o.key]
	if !known {
		return
	}
	what := "operator." + o.raw
	for _, e := range r.undotted(o.value, what) {
		rule, ok := settings[e.key]
		if !ok {
			r.unknown(e, what, slices.Sorted(maps.Keys(settings)))
			continue
		}
		if rule.check == nil || isNull(follow(e.value)) {
			continue
		}
		if value := r.text(e.value, e.raw+" of "+what); !rule.check(value) {
			r.report(Error, e.value, "", "%s of %s must be %s, not %q", e.raw, what, rule.expect, value)
		}
	}
}

func (r *reader) dataSource(out map[string]DataSource, e entry) {
	what := fmt.Sprintf("data source %q", e.raw)
	s, seen := out[e.key]
	if !seen {
		s = DataSource{Name: e.raw, Annotations: map[string]string{}, Fields: map[string]Field{}, Pos: r.pos(e.at)}
	}
	for _, k := range r.entries(e.value, what) {
		switch k.key {
		case "annotations":
			maps.Copy(s.Annotations, r.annotations(k.value, what, sourceAnnotations))
		case "tags":
			s.Tags = append(s.Tags, r.list(k.value, "tags of "+what)...)
		case "fields":
			for _, f := range r.entries(k.value, "the fields of "+what) {
				s.Fields[f.key] = r.field(s.Fields[f.key], f)
			}
		default:
			r.unknown(k, what, sourceKeys)
		}
	}
	out[e.key] = s
}

// field reads a field over what is known of it.
func (r *reader) field(f Field, e entry) Field {
	what := fmt.Sprintf("field %q", e.raw)
	if f.Annotations == nil {
		f = Field{Name: e.raw, Annotations: map[string]string{}, Pos: r.pos(e.at)}
	}
	for _, k := range r.entries(e.value, what) {
		switch k.key {
		case "annotations":
			maps.Copy(f.Annotations, r.annotations(k.value, what, fieldAnnotations))
		case "tags":
			f.Tags = append(f.Tags, r.list(k.value, "tags of "+what)...)
		default:
			if follow(k.value).Kind == yaml.MappingNode && Nearest(k.raw, fieldKeys) == "" {
				r.report(Error, k.at, fmt.Sprintf("write fields of a struct as %q", e.raw+"."+k.raw), "unknown key %q in %s", k.raw, what)
				continue
			}
			r.unknown(k, what, fieldKeys)
		}
	}
	return f
}

// annotations reads the annotations of a data source or a field. Keys are free;
// those that are known must have a value they take.
func (r *reader) annotations(n *yaml.Node, what string, known map[string]annotation) map[string]string {
	out := map[string]string{}
	for _, e := range r.entries(n, "the annotations of "+what) {
		if value := follow(e.value); value.Kind == yaml.MappingNode {
			hint := ""
			if len(value.Content) > 0 {
				hint = fmt.Sprintf("write it as %q", e.raw+"."+value.Content[0].Value)
			}
			r.report(Error, e.at, hint, "annotation %q of %s must be text, not a map", e.raw, what)
			continue
		}
		value := r.text(e.value, fmt.Sprintf("annotation %q of %s", e.raw, what))
		out[e.key] = value
		r.checkAnnotation(e, value, what, known)
	}
	return out
}

func (r *reader) checkAnnotation(e entry, value, what string, known map[string]annotation) {
	rule, ok := known[e.key]
	switch {
	case !ok:
		if near := nearestAnnotation(e.key, known); near != "" {
			r.report(Warning, e.at, fmt.Sprintf("did you mean %q?", near), "annotation %q of %s has no effect", e.raw, what)
		}
	case e.key == "template" && Template(value) == nil:
		hint := DidYouMean(value, Templates())
		if hint == "" {
			hint = "there are " + strings.Join(Templates(), ", ")
		}
		r.report(Error, e.value, hint, "unknown template %q", value)
	case rule.check != nil && !rule.check(value):
		r.report(Error, e.value, "", "annotation %q of %s must be %s, not %q", e.raw, what, rule.expect, value)
	}
}

// nearestAnnotation is stricter than Nearest, as keys are free: only a typing
// error, or the forgotten "columns.", counts.
func nearestAnnotation(key string, known map[string]annotation) string {
	if strings.HasPrefix(key, "env.fields.") {
		return ""
	}
	if _, ok := known["columns."+key]; ok {
		return "columns." + key
	}
	return nearestSpelling(key, slices.Sorted(maps.Keys(known)))
}

func (r *reader) program(out map[string]Program, e entry) {
	what := fmt.Sprintf("program %q", e.raw)
	p, seen := out[e.key]
	if !seen {
		p.Pos = r.pos(e.at)
	}
	for _, k := range r.undotted(e.value, what) {
		switch k.key {
		case "attach_to":
			p.AttachTo = r.text(k.value, "attach_to of "+what)
		case "optional":
			p.Optional = r.boolean(k, what)
		case "alternatives":
			p.Alternatives = r.list(k.value, "alternatives of "+what)
		case "when":
			p.When, p.WhenPos = r.text(k.value, "when of "+what), r.pos(k.value)
		case "perf":
			p.Perf = r.perf(p.Perf, k, what)
		case "sampler":
			for _, s := range r.entries(k.value, "sampler of "+what) {
				switch s.key {
				case "frequency":
					p.Frequency = r.positive(s, what)
				case "period":
					p.Period = r.positive(s, what)
				default:
					r.unknown(s, "sampler of "+what, samplerKeys)
				}
			}
		default:
			r.unknown(k, what, programKeys)
		}
	}
	out[e.key] = p
}

func (r *reader) perf(perf map[string]string, e entry, what string) map[string]string {
	if perf == nil {
		perf = map[string]string{}
	}
	for _, k := range r.entries(e.value, "perf of "+what) {
		switch k.key {
		case "type", "config", "sampletype":
			perf[k.key] = r.text(k.value, k.raw+" of "+what)
		default:
			r.unknown(k, "perf of "+what, perfKeys)
		}
	}
	return perf
}

func (r *reader) positive(e entry, what string) uint64 {
	value := r.text(e.value, e.key+" of "+what)
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil || n == 0 {
		r.report(Error, e.value, "", "%s of %s must be a number above 0, not %q", e.key, what, value)
	}
	return n
}

// boolean reads true or false, also as text; anything else is a problem and false.
func (r *reader) boolean(e entry, what string) bool {
	value := r.text(e.value, e.raw+" of "+what)
	if !isBool(value) {
		r.report(Error, e.value, "", "%s of %s must be true or false, not %q", e.raw, what, value)
	}
	return value == "true"
}

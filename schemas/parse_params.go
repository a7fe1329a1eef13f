package schemas

import (
	"fmt"
	"slices"

	"gopkg.in/yaml.v3"
)

func (r *reader) params(out *Params, n *yaml.Node) {
	for _, e := range r.undotted(n, "params") {
		switch e.key {
		case "ebpf":
			r.paramSection(out.EBPF, e.value, "ebpf")
		case "wasm":
			r.paramSection(out.WASM, e.value, "wasm")
		case "custom":
			if r.patching {
				r.report(Error, e.at, "", "a patch cannot change params.custom")
				continue
			}
			r.paramSection(out.Custom, e.value, "custom")
		default:
			r.unknown(e, "params", sectionKeys)
		}
	}
}

// paramSection reads one map of parameters. Names keep their letter case, but
// for those of params.custom, which are nothing but flags.
func (r *reader) paramSection(out map[string]Param, n *yaml.Node, section string) {
	for _, e := range r.entries(n, "params."+section) {
		name := e.raw
		if section == "custom" {
			name = e.key
		}
		p, there := out[name]
		if !there {
			p.Pos = r.pos(e.at)
		}
		out[name] = r.param(p, e, section)
	}
}

// param reads a parameter over what is known of it.
func (r *reader) param(p Param, e entry, section string) Param {
	what := fmt.Sprintf("parameter %q", e.raw)
	texts := map[string]*string{
		"key": &p.Key, "alternativekey": &p.AlternativeKey, "alias": &p.Alias, "title": &p.Title,
		"defaultvalue": &p.DefaultValue, "description": &p.Description, "valuehint": &p.ValueHint,
		"type": &p.Type, "typehint": &p.Type,
	}
	patches := section != "custom"
	for _, k := range r.entries(e.value, what) {
		patches = patches || k.key == "patch" || k.key == "values"
		if target, ok := texts[k.key]; ok {
			*target = r.text(k.value, k.raw+" of "+what)
			if target == &p.Type {
				r.checkParamType(k, p.Type)
			}
			continue
		}
		switch {
		case k.key == "ismandatory":
			p.IsMandatory = r.boolean(k, what)
		case k.key == "tags":
			p.Tags = r.list(k.value, "tags of "+what)
		case k.key == "possiblevalues":
			p.PossibleValues = r.list(k.value, "possibleValues of "+what)
		case k.key == "patch" && section == "custom":
			p.patch = r.patch(k, what)
		case k.key == "values" && section == "custom":
			p.PossibleValues, p.values = r.values(k, what)
		case section == "custom":
			r.unknown(k, what, customParamKeys)
		default:
			r.unknown(k, what, paramKeys)
		}
	}
	if !patches {
		r.report(Warning, e.at, "give it a patch, or values", "%s of params.custom changes nothing and is none", what)
	}
	return p
}

func (r *reader) checkParamType(e entry, name string) {
	if name != "" && !slices.Contains(paramTypes, name) {
		r.report(Error, e.value, DidYouMean(name, paramTypes), "unknown parameter type %q", name)
	}
}

// values reads the metadata to merge for each value of a custom parameter, and
// the values in the order of the file.
func (r *reader) values(e entry, what string) (names []string, patches map[string]*yaml.Node) {
	patches = map[string]*yaml.Node{}
	for _, v := range r.entries(e.value, "values of "+what) {
		of := fmt.Sprintf("value %q of %s", v.raw, what)
		names, patches[v.key] = append(names, v.raw), nil
		for _, k := range r.entries(v.value, of) {
			if k.key != "patch" {
				r.unknown(k, of, []string{"patch"})
				continue
			}
			patches[v.key] = r.patch(k, of)
		}
	}
	return names, patches
}

// patch reads metadata to merge, nil when there is none. It is looked through
// here, so that mistakes in it show when it is written and not when it is used.
func (r *reader) patch(e entry, what string) *yaml.Node {
	n := follow(e.value)
	switch {
	case isNull(n):
		return nil
	case n.Kind != yaml.MappingNode:
		r.report(Error, n, "", "patch of %s must be a map of keys and values", what)
		return nil
	}
	r.patching = true
	r.metadata(newMetadata(r.file), n, "the patch of "+what)
	r.patching = false
	return n
}

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
			r.paramSection(out.Custom, e.value, "custom")
		default:
			r.unknown(e, "params", sectionKeys)
		}
	}
}

// paramSection reads one map of parameters. Names keep their letter case.
func (r *reader) paramSection(out map[string]Param, n *yaml.Node, section string) {
	for _, e := range r.entries(n, "params."+section) {
		out[e.raw] = r.param(e, section)
	}
}

func (r *reader) param(e entry, section string) Param {
	what := fmt.Sprintf("parameter %q", e.raw)
	p := Param{Pos: r.pos(e.at)}
	texts := map[string]*string{
		"key": &p.Key, "alternativekey": &p.AlternativeKey, "alias": &p.Alias, "title": &p.Title,
		"defaultvalue": &p.DefaultValue, "description": &p.Description, "valuehint": &p.ValueHint,
		"type": &p.Type, "typehint": &p.Type,
	}
	for _, k := range r.entries(e.value, what) {
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
			p.Patch = r.patch(k, what)
		case k.key == "values" && section == "custom":
			p.Values = r.values(k, what)
		case section == "custom":
			r.unknown(k, what, customParamKeys)
		default:
			r.unknown(k, what, paramKeys)
		}
	}
	return p
}

func (r *reader) checkParamType(e entry, name string) {
	if name != "" && !slices.Contains(paramTypes, name) {
		r.report(Error, e.value, DidYouMean(name, paramTypes), "unknown parameter type %q", name)
	}
}

// values reads the metadata to merge for each value of a custom parameter.
func (r *reader) values(e entry, what string) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, v := range r.entries(e.value, "values of "+what) {
		out[v.raw] = map[string]any{}
		for _, k := range r.entries(v.value, fmt.Sprintf("value %q of %s", v.raw, what)) {
			if k.key != "patch" {
				r.unknown(k, fmt.Sprintf("value %q of %s", v.raw, what), []string{"patch"})
				continue
			}
			out[v.raw] = r.patch(k, what)
		}
	}
	return out
}

// patch reads metadata to merge: maps, lists and texts.
func (r *reader) patch(e entry, what string) map[string]any {
	m, ok := r.tree(e.value, "patch of "+what).(map[string]any)
	if !ok && !isNull(follow(e.value)) {
		r.report(Error, e.value, "", "patch of %s must be a map of keys and values", what)
	}
	return m
}

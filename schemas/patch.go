package schemas

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// patchTime is how long the patches of one run may take. It is for files made to
// keep us busy: those of people take microseconds.
const patchTime = time.Second

// Patches reports whether the parameter of params.custom changes anything: what
// has neither patch nor values is no parameter (compat-spec §3.3).
func (p *Param) Patches() bool { return p.patch != nil || len(p.values) > 0 }

// Patched returns the metadata with the patches that values of params.custom ask
// for merged into it, those of the first parameters in the file first. given has
// the values that a user chose, by the parameter's name. The texts of a patch are
// templates; value finds a parameter by its full name for them.
//
// The error says what is wrong with a template, with its place in the file and
// the value that brought it in; problems are what ParseMetadata finds in patches.
func (m *Metadata) Patched(given map[string]string, value func(fullName string) (string, error)) (*Metadata, []Problem, error) {
	r := &reader{file: m.file}
	out := newMetadata(m.file)
	if m.root != nil {
		out.root = m.root
		r.metadata(out, m.root, "gadget.yaml")
	}
	r.problems, r.patching = nil, true // those of the file itself are known
	x := newExpander(value, m.config, time.Now().Add(patchTime))
	names := slices.SortedFunc(maps.Keys(given), func(a, b string) int {
		return cmp.Compare(m.Params.Custom[a].Pos.Line, m.Params.Custom[b].Pos.Line)
	})
	for _, name := range names {
		p := m.Params.Custom[name]
		patch := p.values[strings.ToLower(given[name])]
		if patch == nil {
			patch = p.patch
		}
		if patch == nil {
			continue
		}
		what := fmt.Sprintf("patch of parameter %q for the value %q", name, given[name])
		var failed error
		r.expand = func(n *yaml.Node) string {
			text, err := x.expand(n.Value)
			if err != nil && failed == nil {
				failed = Problem{Error, r.pos(n), what + ": " + err.Error(), ""}
			}
			return text
		}
		r.metadata(out, patch, "the "+what)
		if failed != nil {
			return nil, nil, failed
		}
	}
	sortProblems(r.problems)
	return out, r.problems, nil
}

// config is what the file says under a dotted path, without regard to letter
// case; "" for what is not there or is no single value.
func (m *Metadata) config(path string) string {
	if m.root == nil {
		return ""
	}
	n := find(m.root, strings.ToLower(path))
	if n == nil || n.Kind != yaml.ScalarNode || isNull(n) {
		return ""
	}
	return n.Value
}

// find returns the node under a dotted path in lower case, nil when there is
// none. Keys may have dots of their own; the longest one that fits wins.
func find(n *yaml.Node, path string) *yaml.Node {
	n = follow(n)
	if path == "" {
		return n
	}
	var found *yaml.Node
	longest := -1
	for _, e := range (&reader{}).entries(n, "") {
		rest, ok := strings.CutPrefix(path, e.key)
		if !ok || len(e.key) <= longest || rest != "" && rest[0] != '.' {
			continue
		}
		if at := find(e.value, strings.TrimPrefix(rest, ".")); at != nil {
			found, longest = at, len(e.key)
		}
	}
	return found
}

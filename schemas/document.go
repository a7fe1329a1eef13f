package schemas

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"
)

// Limits on what one file may make us walk. The largest file without aliases
// has fewer nodes than maxNodes, so only aliases can exceed it.
const (
	maxNodes = 1 << 20
	maxDepth = 64
)

// reader walks the YAML of one file and collects what is wrong with it.
type reader struct {
	file     string
	problems []Problem
	// patching is set while metadata is read that a parameter merges: its texts
	// may be templates. expand makes the text of such a one; nil leaves it.
	patching bool
	expand   func(n *yaml.Node) string
}

// entry is one key of a map, aliases and merge keys resolved.
type entry struct {
	// key is in lower case, raw as written.
	key, raw string
	// at is where the key stands.
	at    *yaml.Node
	value *yaml.Node
}

// documents parses src and returns the root of each document, no more than
// limit of them when limit is positive. An error means that it is not YAML.
func (r *reader) documents(src []byte, limit int) ([]*yaml.Node, error) {
	if len(src) > MaxFile {
		return nil, Problem{Severity: Error, Pos: Pos{File: r.file},
			Message: fmt.Sprintf("the file has %d bytes, more than the %d that are read", len(src), MaxFile)}
	}
	roots, err := decodeNodes(src, limit)
	if err != nil {
		return nil, r.syntaxError(src, err)
	}
	budget := maxNodes
	for _, root := range roots {
		if err := r.bound(root, maxDepth, &budget); err != nil {
			return nil, err
		}
	}
	return roots, nil
}

// decodeNodes returns the root nodes of the documents in src.
func decodeNodes(src []byte, limit int) (roots []*yaml.Node, err error) {
	// The parser reports trouble by panicking inside and is meant to recover
	// all of it; input of strangers must not depend on that being so.
	defer func() {
		if recover() != nil {
			err = errors.New("the text confuses the parser")
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(src))
	for limit <= 0 || len(roots) < limit {
		var doc yaml.Node
		switch err := d.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return roots, nil
		case err != nil:
			return nil, err
		}
		if len(doc.Content) > 0 {
			roots = append(roots, doc.Content[0])
		}
	}
	return roots, nil
}

// bound refuses trees that are deep or that aliases make large, so that all
// later walks can follow aliases without care.
func (r *reader) bound(n *yaml.Node, depth int, budget *int) error {
	*budget--
	switch {
	case depth == 0:
		return Problem{Error, r.pos(n), fmt.Sprintf("nested more than %d levels deep, or an alias inside of what it stands for", maxDepth), ""}
	case *budget < 0:
		return Problem{Error, r.pos(n), "aliases make the file too large", "write it out, or use fewer of them"}
	case n.Kind == yaml.AliasNode:
		return r.bound(n.Alias, depth-1, budget)
	}
	for _, c := range n.Content {
		if err := r.bound(c, depth-1, budget); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) pos(n *yaml.Node) Pos {
	if n == nil {
		return Pos{File: r.file}
	}
	return Pos{File: r.file, Line: n.Line, Col: n.Column}
}

// report adds a problem. The hint may be "".
func (r *reader) report(s Severity, n *yaml.Node, hint, format string, args ...any) {
	if r.patching && r.expand == nil && n != nil && isTemplate(n) {
		return // nobody knows yet what it will say
	}
	r.problems = append(r.problems, Problem{s, r.pos(n), fmt.Sprintf(format, args...), hint})
}

// unknown reports a key that is not among known.
func (r *reader) unknown(e entry, what string, known []string) {
	hint := DidYouMean(e.raw, known)
	if hint == "" {
		hint = "known are " + strings.Join(known, ", ")
	}
	r.report(Error, e.at, hint, "unknown key %q in %s", e.raw, what)
}

// entries returns the keys of a map in the order of the file, those of merge
// keys last. What is no map is reported under the name what. A key that is there
// twice, also in other letter case, is reported and its last value holds.
func (r *reader) entries(n *yaml.Node, what string) []entry {
	n = follow(n)
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.report(Error, n, "", "%s must be a map of keys and values, not %s", what, kindName(n))
		return nil
	}
	var own []entry
	var merges []*yaml.Node
	index := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		at, key, value := n.Content[i], follow(n.Content[i]), follow(n.Content[i+1])
		switch {
		case key.Kind != yaml.ScalarNode:
			r.report(Error, at, "", "a key in %s must be text, not %s", what, kindName(key))
			continue
		case key.ShortTag() == "!!merge":
			merges = append(merges, value)
			continue
		}
		e := entry{strings.ToLower(key.Value), key.Value, at, value}
		if j, dup := index[e.key]; dup {
			r.report(Error, at, "keys compare without regard to letter case", "key %q is in %s twice, first in line %d", e.raw, what, own[j].at.Line)
			own[j] = e
			continue
		}
		index[e.key] = len(own)
		own = append(own, e)
	}
	for _, m := range merges {
		own = r.merge(own, index, m, what)
	}
	return own
}

// merge adds the keys of a merge key's value that are not there yet.
func (r *reader) merge(own []entry, index map[string]int, value *yaml.Node, what string) []entry {
	sources := []*yaml.Node{value}
	if value.Kind == yaml.SequenceNode {
		sources = value.Content
	}
	for _, s := range sources {
		for _, e := range r.entries(s, "what is merged into "+what) {
			if _, there := index[e.key]; !there {
				index[e.key] = len(own)
				own = append(own, e)
			}
		}
	}
	return own
}

// text returns a scalar as text: true, 10 and "10" alike; null is "".
func (r *reader) text(n *yaml.Node, what string) string {
	n = follow(n)
	switch {
	case isNull(n):
		return ""
	case n.Kind != yaml.ScalarNode:
		r.report(Error, n, "", "%s must be text, not %s", what, kindName(n))
		return ""
	}
	if n.ShortTag() == "!!bool" {
		return strings.ToLower(n.Value) // True and TRUE are the same value
	}
	if r.expand != nil && isTemplate(n) {
		return r.expand(n)
	}
	return n.Value
}

// list returns a list of texts; a single text is a list of one.
func (r *reader) list(n *yaml.Node, what string) []string {
	n = follow(n)
	if isNull(n) {
		return nil
	}
	if n.Kind == yaml.ScalarNode {
		return []string{r.text(n, what)}
	}
	if n.Kind != yaml.SequenceNode {
		r.report(Error, n, "", "%s must be a list of texts, not %s", what, kindName(n))
		return nil
	}
	out := make([]string, 0, len(n.Content))
	for _, c := range n.Content {
		out = append(out, r.text(c, "an entry of "+what))
	}
	return out
}

// texts returns a map of texts, keys as written.
func (r *reader) texts(n *yaml.Node, what string) map[string]string {
	out := map[string]string{}
	for _, e := range r.entries(n, what) {
		out[e.raw] = r.text(e.value, fmt.Sprintf("%q in %s", e.raw, what))
	}
	return out
}

// flatten adds the scalars below n under dotted keys; lists become comma lists.
func (r *reader) flatten(out map[string]string, prefix string, n *yaml.Node) {
	n = follow(n)
	switch n.Kind {
	case yaml.MappingNode:
		for _, e := range r.entries(n, prefix) {
			r.flatten(out, joinDot(prefix, e.key), e.value)
		}
	case yaml.SequenceNode:
		out[prefix] = strings.Join(r.list(n, prefix), ",")
	default:
		out[prefix] = r.text(n, prefix)
	}
}

// follow returns what an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool {
	return n.Kind == 0 || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

func joinDot(prefix, key string) string {
	if prefix == "" {
		return key
	}
	return prefix + "." + key
}

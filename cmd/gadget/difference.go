package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/registry"
)

// difference is what `gadget image diff -o json` prints.
type difference struct {
	A        imageID  `json:"a"`
	B        imageID  `json:"b"`
	Platform string   `json:"platform"`
	Same     bool     `json:"same"`
	Changes  []change `json:"changes"`
}

type imageID struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// change is one thing that only one image has, or that differs. Kind and Name say of
// what: program snoop_exec, field exec.pid, map events. What may come several times
// of one thing, for example calls.
type change struct {
	Kind string  `json:"kind"`
	Name string  `json:"name"`
	What string  `json:"what"`
	Old  *string `json:"old,omitempty"`
	New  *string `json:"new,omitempty"`
}

// compared is an image, and what is attached to it.
type compared struct {
	*inspection
	attached []registry.Attached
}

// fact is one statement about an image.
type fact struct{ kind, name, what, value string }

// compare says what changed from one image to another.
func compare(old, now *compared) *difference {
	d := &difference{
		A: imageID{old.Name, old.Digest}, B: imageID{now.Name, now.Digest},
		Platform: old.Platform, Changes: []change{},
	}
	before, after := old.facts(), now.facts()
	for _, f := range before {
		if slices.Contains(after, f) {
			continue
		}
		d.Changes = append(d.Changes, change{Kind: f.kind, Name: f.name, What: f.what, Old: &f.value})
	}
	for _, f := range after {
		if !slices.Contains(before, f) {
			d.add(f)
		}
	}
	d.Same = len(d.Changes) == 0 && old.Digest == now.Digest
	return d
}

// add puts a fact of the new image to the old value that it replaces, else behind
// what is said of the same thing, or of its kind.
func (d *difference) add(f fact) {
	c := change{Kind: f.kind, Name: f.name, What: f.what, New: &f.value}
	at := len(d.Changes)
	best := 0
	for i, o := range d.Changes {
		near := 0
		switch {
		case o.Kind != f.kind:
		case o.Name != f.name:
			near = 1
		case o.What != f.what || several[f.what]:
			near = 2
		case o.New == nil:
			d.Changes[i].New = c.New
			return
		}
		if near > 0 && near >= best {
			best, at = near, i+1
		}
	}
	d.Changes = slices.Insert(d.Changes, at, c)
}

// several are the statements that may be made more than once of the same thing.
var several = map[string]bool{"calls": true, "could": true, "layer": true, "attached": true}

// facts are all statements about an image, in the order in which they are told.
func (c *compared) facts() []fact {
	var all []fact
	add := func(kind, name, what, value string) {
		if value != "" && value != "0" && value != "false" {
			all = append(all, fact{kind, name, what, value})
		}
	}
	add("image", "", "name", c.Title)
	add("image", "", "description", c.Description)
	add("image", "", "license", c.License)
	for _, key := range slices.Sorted(maps.Keys(c.Annotations)) {
		if key != ocispec.AnnotationTitle && key != ocispec.AnnotationDescription {
			add("image", "", key, c.Annotations[key])
		}
	}
	for _, p := range c.Platforms {
		if len(p.Layers) == 0 {
			add("platform", p.Platform, "layer", "no layers")
		}
		for _, l := range p.Layers {
			add("platform", p.Platform, "layer", fmt.Sprintf("%s, %d bytes, %s", layerWord(l.MediaType), l.Bytes, l.Digest))
		}
	}
	c.programFacts(add)
	for _, m := range c.Maps {
		add("map", m.Name, "type", m.Type)
		add("map", m.Name, "key size", strconv.FormatUint(uint64(m.KeySize), 10))
		add("map", m.Name, "value size", strconv.FormatUint(uint64(m.ValueSize), 10))
		add("map", m.Name, "entries", strconv.FormatUint(uint64(m.MaxEntries), 10))
		add("map", m.Name, "pinned", strconv.FormatBool(m.Pinned))
		add("map", m.Name, "sized by", m.SizedBy)
	}
	c.sourceFacts(add)
	for _, p := range c.Params {
		add("param", p.Key, "type", p.Type)
		add("param", p.Key, "flag", p.Flag)
		add("param", p.Key, "alias", p.Alias)
		add("param", p.Key, "default", strconv.Quote(p.Default))
		add("param", p.Key, "values", strings.Join(p.PossibleValues, ", "))
		add("param", p.Key, "required", strconv.FormatBool(p.Required))
		add("param", p.Key, "description", p.Description)
	}
	for _, a := range c.attached {
		to := "the image"
		for _, p := range c.Platforms {
			if p.Digest == a.Subject.String() {
				to = p.Platform
			}
		}
		add("attachment", to, "attached", firstNonEmpty(a.Type, "something")+", "+a.Digest.String())
	}
	return all
}

func (c *compared) programFacts(add func(kind, name, what, value string)) {
	for _, p := range c.Programs {
		add("program", p.Name, "type", p.Type)
		add("program", p.Name, "section", p.Section)
		add("program", p.Name, "hook", p.Hook)
		add("program", p.Name, "instructions", strconv.Itoa(p.Instructions))
		add("program", p.Name, "disabled", strconv.FormatBool(p.Disabled))
		add("program", p.Name, "optional", strconv.FormatBool(p.Optional))
		add("program", p.Name, "one of", p.Group)
		add("program", p.Name, "when", p.When)
		for _, power := range c.CanChange {
			if power.Program == p.Name {
				add("program", p.Name, "could", power.Does)
			}
		}
		for _, call := range p.Calls {
			add("program", p.Name, "calls", call)
		}
	}
}

func (c *compared) sourceFacts(add func(kind, name, what, value string)) {
	for _, s := range c.DataSources {
		add("data source", s.Name, "kind", s.Kind)
		add("data source", s.Name, "map", s.Map)
		add("data source", s.Name, "struct", s.Struct)
		add("data source", s.Name, "counts loss", strconv.FormatBool(s.CountsLoss))
		for _, m := range s.Metrics {
			add("data source", s.Name, "metric "+m.Name, strings.TrimSpace(m.Type+" "+m.Unit+" for each "+strings.Join(m.Keys, ", ")))
		}
		for _, f := range s.Fields {
			name := s.Name + "." + f.Name
			add("field", name, "type", f.Type)
			add("field", name, "hidden", strconv.FormatBool(f.Hidden))
			add("field", name, "tags", strings.Join(ownTags(f.Tags), ", "))
			add("field", name, "description", f.Description)
		}
	}
}

// ownTags are the tags of a field that its type and its name do not entail.
func ownTags(tags []string) []string {
	return slices.DeleteFunc(slices.Clone(tags), func(tag string) bool {
		kind, _, _ := strings.Cut(tag, ":")
		return kind == "type" || kind == "name" || kind == "src"
	})
}

// write draws the difference in the way of diff -u.
func (d *difference) write(w io.Writer, t view.Terminal) error {
	p := &page{w: w, term: t}
	if d.Same {
		return nil
	}
	p.printf("%s\n", t.Bold("--- "+view.Safe(d.A.Name)+"  "+d.A.Digest))
	p.printf("%s\n", t.Bold("+++ "+view.Safe(d.B.Name)+"  "+d.B.Digest))
	last := ""
	for _, c := range d.Changes {
		if head := strings.TrimSpace(c.Kind + " " + c.Name); head != last {
			p.printf("%s\n", t.Cyan("@@ "+view.Safe(head)+" @@"))
			last = head
		}
		if c.Old != nil {
			p.printf("%s\n", t.Red(view.Safe("-"+c.line(*c.Old))))
		}
		if c.New != nil {
			p.printf("%s\n", t.Green(view.Safe("+"+c.line(*c.New))))
		}
	}
	return p.err
}

// line is a statement of the thing that a change is about.
func (c *change) line(value string) string {
	switch {
	case several[c.What] && c.What != "calls" && c.What != "could":
		return value
	case value == "true":
		return c.What
	case c.What == "calls", c.What == "could":
		return c.What + " " + value
	}
	return c.What + ": " + value
}

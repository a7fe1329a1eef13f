package schemas

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"gopkg.in/yaml.v3"
)

// SchemaName names one of the JSON Schemas.
type SchemaName string

// The files that people write.
const (
	GadgetSchema       SchemaName = "gadget"
	BuildSchema        SchemaName = "build"
	InstanceSpecSchema SchemaName = "instance-spec"
	ConfigSchema       SchemaName = "config"
)

var (
	//go:embed gadget.schema.json
	gadgetSchema []byte
	//go:embed build.schema.json
	buildSchema []byte
	//go:embed instance-spec.schema.json
	instanceSpecSchema []byte
	//go:embed config.schema.json
	configSchema []byte
)

// SchemaNames returns the names of all schemas.
func SchemaNames() []SchemaName {
	return []SchemaName{GadgetSchema, BuildSchema, InstanceSpecSchema, ConfigSchema}
}

// Schema returns a JSON Schema (draft 2020-12) as text, nil for an unknown name.
func Schema(name SchemaName) []byte {
	switch name {
	case GadgetSchema:
		return bytes.Clone(gadgetSchema)
	case BuildSchema:
		return bytes.Clone(buildSchema)
	case InstanceSpecSchema:
		return bytes.Clone(instanceSpecSchema)
	case ConfigSchema:
		return bytes.Clone(configSchema)
	}
	return nil
}

// Validate returns all that can be said about a file without knowing more than
// the file: what its parser finds, and what its JSON Schema finds on other
// lines. It compiles the schema, some milliseconds, so it is for building and
// checking and not for running.
func Validate(name SchemaName, file string, src []byte) []Problem {
	problems, err := parserProblems(name, file, src)
	if err != nil {
		if p, ok := err.(Problem); ok {
			return []Problem{p}
		}
		return []Problem{{Error, Pos{File: file}, err.Error(), ""}}
	}
	said := map[int]bool{}
	for _, p := range problems {
		said[p.Pos.Line] = true
	}
	for _, p := range schemaProblems(name, file, src) {
		if !said[p.Pos.Line] {
			problems = append(problems, p)
		}
	}
	sortProblems(problems)
	return problems
}

func parserProblems(name SchemaName, file string, src []byte) (problems []Problem, err error) {
	switch name {
	case GadgetSchema:
		_, problems, err = ParseMetadata(file, src)
	case BuildSchema:
		_, problems, err = ParseBuild(file, src)
	case InstanceSpecSchema:
		_, problems, err = ParseInstances(file, src)
	case ConfigSchema:
		_, problems, err = ParseConfig(file, src)
	default:
		err = fmt.Errorf("there is no schema %q", name)
	}
	return problems, err
}

// schemaProblems validates each document against the schema alone.
func schemaProblems(name SchemaName, file string, src []byte) []Problem {
	schema, err := compile(name)
	if err != nil {
		return []Problem{{Error, Pos{File: file}, err.Error(), ""}}
	}
	limit := 1
	if name == InstanceSpecSchema {
		limit = 0
	}
	r := &reader{file: file}
	roots, err := r.documents(src, limit)
	if err != nil {
		return nil // the parser has said so
	}
	var problems []Problem
	for _, root := range roots {
		if name == InstanceSpecSchema && isNull(follow(root)) {
			continue
		}
		c := canon{reader: &reader{file: file}, places: map[string]Pos{}}
		value := c.value(schema, root, nil)
		if err := schema.Validate(value); err != nil {
			problems = append(problems, c.problems(err)...)
		}
	}
	return problems
}

func compile(name SchemaName) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema(name)))
	if err != nil {
		return nil, fmt.Errorf("read schema %q: %w", name, err)
	}
	url := string(name) + ".schema.json"
	c := jsonschema.NewCompiler()
	if err := c.AddResource(url, doc); err != nil {
		return nil, fmt.Errorf("read schema %q: %w", name, err)
	}
	return c.Compile(url)
}

// canon turns YAML into the JSON that a schema is about: keys in the spelling
// of the schema, a.b: x as a: {b: x} where names have no dots.
type canon struct {
	*reader
	// places by JSON pointer.
	places map[string]Pos
}

func (c *canon) value(s *jsonschema.Schema, n *yaml.Node, at []string) any {
	for s != nil && s.Ref != nil {
		s = s.Ref
	}
	if _, known := c.places[pointer(at)]; !known {
		c.places[pointer(at)] = c.pos(n)
	}
	n = follow(n)
	switch n.Kind {
	case yaml.MappingNode:
		return c.object(s, n, at)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = c.value(items(s), item, append(slices.Clip(at), fmt.Sprint(i)))
		}
		return list
	}
	return scalar(n)
}

func (c *canon) object(s *jsonschema.Schema, n *yaml.Node, at []string) any {
	out := map[string]any{}
	entries := c.entries(n, "")
	if s != nil && s.PropertyNames != nil {
		entries = c.undotted(n, "")
	}
	for _, e := range entries {
		key := e.raw
		if s != nil {
			for property := range s.Properties {
				if strings.EqualFold(property, e.raw) {
					key = property
				}
			}
		}
		below := append(slices.Clip(at), key)
		c.places[pointer(below)] = c.pos(e.at)
		value := c.value(member(s, key), e.value, below)
		if old, ok := out[key].(map[string]any); ok {
			if more, ok := value.(map[string]any); ok {
				for k, v := range more {
					old[k] = v
				}
				continue
			}
		}
		out[key] = value
	}
	return out
}

// member is the schema of an object's property, nil when there is none.
func member(s *jsonschema.Schema, key string) *jsonschema.Schema {
	if s == nil {
		return nil
	}
	if p, ok := s.Properties[key]; ok {
		return p
	}
	p, _ := s.AdditionalProperties.(*jsonschema.Schema)
	return p
}

func items(s *jsonschema.Schema) *jsonschema.Schema {
	if s == nil {
		return nil
	}
	return s.Items2020
}

// scalar is the JSON value of a scalar; what JSON does not have is text.
func scalar(n *yaml.Node) any {
	var v any
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool", "!!int", "!!float":
		if n.Decode(&v) != nil {
			return n.Value
		}
	}
	switch v := v.(type) {
	case bool, int, int64, uint64:
		return v
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return v
		}
	}
	return n.Value
}

// problems turns what the schema library found into places and words.
func (c *canon) problems(err error) []Problem {
	invalid, ok := err.(*jsonschema.ValidationError)
	if !ok {
		return []Problem{{Error, Pos{File: c.file}, err.Error(), ""}}
	}
	if _, names := invalid.ErrorKind.(*kind.PropertyNames); len(invalid.Causes) > 0 && !names {
		var out []Problem
		for _, cause := range invalid.Causes {
			out = append(out, c.problems(cause)...)
		}
		return out
	}
	at, what := invalid.InstanceLocation, strings.Join(invalid.InstanceLocation, ".")
	if what == "" {
		what = "the file"
	}
	message := what + ": " + invalid.ErrorKind.LocalizedString(message.NewPrinter(language.English))
	switch k := invalid.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		at = append(slices.Clip(at), k.Properties[0])
		message = fmt.Sprintf("unknown key %q in %s", k.Properties[0], what)
	case *kind.PropertyNames:
		at = append(slices.Clip(at), k.Property)
		message = fmt.Sprintf("%q in %s cannot be a name", k.Property, what)
	case *kind.Required:
		message = fmt.Sprintf("%s has no %s", what, strings.Join(k.Missing, ", "))
	case *kind.Type:
		message = fmt.Sprintf("%s must be %s, not %s", what, strings.Join(k.Want, " or "), k.Got)
	}
	return []Problem{{Error, c.places[pointer(at)], message, ""}}
}

func pointer(path []string) string { return strings.Join(path, "\x00") }

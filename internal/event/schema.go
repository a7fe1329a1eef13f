package event

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Schema is a JSON Schema (draft 2020-12), as far as it takes to describe what
// the encoder of [NewJSON] writes. Marshal it with encoding/json.
type Schema struct {
	Schema      string             `json:"$schema,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        any                `json:"type,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	AnyOf       []*Schema          `json:"anyOf,omitempty"`
	Items       *Schema            `json:"items,omitempty"`
	MaxItems    int                `json:"maxItems,omitempty"`
	Minimum     json.Number        `json:"minimum,omitempty"`
	Maximum     json.Number        `json:"maximum,omitempty"`
	Pattern     string             `json:"pattern,omitempty"`
	Format      string             `json:"format,omitempty"`
	Properties  map[string]*Schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	// Closed objects have no other members.
	Closed *bool `json:"additionalProperties,omitempty"`
}

// SchemaDialect is the value of $schema in the root of a document.
const SchemaDialect = "https://json-schema.org/draft/2020-12/schema"

// NewSchema describes what NewJSON writes for a layout: an object, or with array
// data sources an array of them unless o says lines.
func NewSchema(l *Layout, o JSONOptions) *Schema {
	s := newTree(l).schema()
	for name, about := range l.Groups {
		s.at(name).Description = about
	}
	if l.Array && !o.Lines {
		s = &Schema{Type: "array", Items: s}
	}
	s.Title = l.Name
	return s
}

// at is the member of an object by its dotted name, a schema of nothing when
// there is none.
func (s *Schema) at(name string) *Schema {
	for key := range strings.SplitSeq(name, ".") {
		if s = s.Properties[key]; s == nil {
			return &Schema{}
		}
	}
	return s
}

func (n *node) schema() *Schema {
	if n.field != nil && len(n.kids) == 0 {
		return n.field.schema()
	}
	s := &Schema{Type: "object", Properties: map[string]*Schema{}, Closed: new(bool)}
	for _, kid := range n.kids {
		s.Properties[kid.key] = kid.schema()
		s.Required = append(s.Required, kid.key)
	}
	return s
}

func (f *Field) schema() *Schema {
	s := f.valueSchema()
	if f.Count > 0 && f.numeric() {
		s = &Schema{Type: "array", Items: s, MaxItems: f.Count}
	}
	s.Description = f.Description
	return s
}

// valueSchema describes one value of the field.
func (f *Field) valueSchema() *Schema {
	switch f.Class() {
	case Boolean:
		return &Schema{Type: "boolean"}
	case Floating:
		return &Schema{Type: []string{"number", "null"}} // JSON has no word for NaN
	case Unsigned:
		s := &Schema{Type: "integer", Minimum: "0"}
		if f.Kind != FromContainer {
			s.Maximum = json.Number(strconv.FormatUint(math.MaxUint64>>(64-8*f.width()), 10))
		}
		return s
	case Signed:
		s := &Schema{Type: "integer"}
		if f.Kind != FromContainer && f.Kind != WallTime {
			limit := int64(math.MaxInt64) >> (64 - 8*f.width())
			s.Minimum, s.Maximum = json.Number(strconv.FormatInt(-limit-1, 10)), json.Number(strconv.FormatInt(limit, 10))
		}
		return s
	}
	s := &Schema{Type: "string"}
	switch {
	case f.Kind == Bytes, f.Kind == RestBytes:
		s.Pattern = "^([0-9a-f]{2})*$"
	case f.Kind == Timestamp && f.Format == "":
		s.Format = "date-time"
	}
	return s
}

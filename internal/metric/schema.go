package metric

import "github.com/gadget-bpf/gadget/internal/event"

// Schema describes what the View of [JSON] writes for a set: an array of series, or
// with form Lines one of them.
func Schema(set *Set, form Form) *event.Schema {
	// None is required: the series of what had no room has no keys.
	keys := closed(map[string]*event.Schema{})
	for _, f := range set.Keys {
		keys.Properties[f.Name] = keySchema(f)
	}
	series := &event.Schema{}
	for i := range set.Metrics {
		series.AnyOf = append(series.AnyOf, set.Metrics[i].schema(keys))
	}
	if form == Lines {
		return series
	}
	return &event.Schema{Type: "array", Items: series}
}

// schema describes one series of a metric.
func (m *Metric) schema(keys *event.Schema) *event.Schema {
	text := &event.Schema{Type: "string"}
	s := closed(map[string]*event.Schema{
		"keys": keys,
		"name": {Type: "string", Enum: []string{m.Name}},
		"type": {Type: "string", Enum: []string{m.Type.String()}},
		"unit": text,
	}, "keys", "name", "type", "unit")
	s.Description = m.Description
	// The series for which there was no room, together.
	s.Properties["other"] = &event.Schema{Type: "boolean"}
	count := &event.Schema{Type: "integer", Minimum: "0"}
	switch {
	case m.Type == Histogram:
		bound := &event.Schema{Type: []string{"number", "null"}}
		s.Properties["count"] = count
		s.Properties["buckets"] = &event.Schema{Type: "array", Items: closed(map[string]*event.Schema{
			"count": count, "from": bound, "to": bound,
		}, "count", "from", "to")}
		s.Required = append(s.Required, "count", "buckets")
		return s
	case m.class() == event.Floating:
		s.Properties["value"] = &event.Schema{Type: []string{"number", "null"}}
	case m.class() == event.Signed:
		s.Properties["value"] = &event.Schema{Type: "integer"}
	default:
		s.Properties["value"] = count
	}
	s.Required = append(s.Required, "value")
	return s
}

func closed(properties map[string]*event.Schema, required ...string) *event.Schema {
	return &event.Schema{Type: "object", Properties: properties, Required: required, Closed: new(bool)}
}

// keySchema describes a key; see appendKey.
func keySchema(f *event.Field) *event.Schema {
	s := &event.Schema{Type: "string", Description: f.Description}
	if f.Count > 0 {
		return s
	}
	switch f.Class() {
	case event.Boolean:
		s.Type = "boolean"
	case event.Signed, event.Unsigned:
		s.Type = "integer"
	case event.Floating:
		s.Type = []string{"number", "null"}
	}
	return s
}

// Package metric sums up the records of a data source: counters, gauges and
// histograms, in series that keys tell apart, drawn as text or given as JSON.
//
//	Set        which fields of a layout are metrics, and which are keys
//	Collector  an event.Encoder that keeps no record, only what they come to
//	View       what the Collector's End appends: a drawing or JSON
//
// It is pure: it knows neither the kernel nor a terminal. A record of a series
// that exists already costs no allocation.
package metric

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
)

// Type says how the values of a metric come together over a run.
type Type uint8

// Types of metrics.
const (
	// Counter is the sum of all values.
	Counter Type = iota
	// Gauge is the last value.
	Gauge
	// Histogram counts values by the range they lie in.
	Histogram
)

// String is the type's name in gadget.yaml and in JSON.
func (t Type) String() string { return [...]string{"counter", "gauge", "histogram"}[t] }

// Set is what the records of a data source are summed up to.
type Set struct {
	// Keys tell series apart: records with the same values belong together.
	Keys    []*event.Field
	Metrics []Metric
}

// Metric is one number, or one histogram, of every series.
type Metric struct {
	// Name is never empty; Description and Unit may be.
	Name, Description, Unit string
	Type                    Type
	// Field has the values; nil for a counter of the records themselves.
	Field *event.Field

	// Of histograms: the ranges, and for a field that is an array of counts its
	// elements, one for each range from scale.first on.
	scale *scale
	slots []*event.Field
}

// Problem is something in a layout's annotations that has no effect.
type Problem struct {
	// Field is the full name of the field, "" for the data source itself.
	Field string
	// Message says what is wrong, Hint what would be right; the latter may be "".
	Message, Hint string
}

// typedefs whose members are metrics without any annotation (compat-spec §4.5).
var typedefs = map[string]Type{
	"gadget_counter__u32": Counter, "gadget_counter__u64": Counter,
	"gadget_gauge__u32": Gauge, "gadget_gauge__u64": Gauge,
	"gadget_histogram_slot__u32": Histogram, "gadget_histogram_slot__u64": Histogram,
}

// Annotations of data sources and fields (compat-spec §3.4, §3.5).
const (
	typeKey        = "metrics.type"
	nameKey        = "metrics.name"
	descriptionKey = "metrics.description"
	unitKey        = "metrics.unit"
	boundariesKey  = "metrics.boundaries"
	implicitName   = "metrics.implicit-counter.name"
	implicitAbout  = "metrics.implicit-counter.description"
)

// FromLayout finds the metrics of a layout, by the types of its fields and by
// the annotations metrics.*. The Set is nil when there are none.
func FromLayout(l *event.Layout) (*Set, []Problem) {
	set := &Set{}
	var problems []Problem
	if name := l.Annotations[implicitName]; name != "" {
		set.Metrics = append(set.Metrics, Metric{Name: name, Description: l.Annotations[implicitAbout]})
	}
	for i := range l.Fields {
		if p := set.add(&l.Fields[i]); p != nil {
			p.Field = l.Fields[i].Name
			problems = append(problems, *p)
		}
	}
	if len(set.Metrics) == 0 {
		return nil, problems
	}
	return set, problems
}

// add puts a field where it belongs, if it belongs anywhere.
func (s *Set) add(f *event.Field) *Problem {
	typ, slots, is := fieldType(f)
	switch said := f.Annotations[typeKey]; said {
	case "":
		if !is {
			return nil
		}
	case "key":
		if f.Class() == event.None {
			return &Problem{Message: "a field without a value cannot be a key"}
		}
		s.Keys = append(s.Keys, f)
		return nil
	case "counter", "gauge", "histogram":
		typ = Type(slices.Index([]string{"counter", "gauge", "histogram"}, said))
	default:
		return &Problem{Message: fmt.Sprintf("%s: %q is not a type of metric", typeKey, said),
			Hint: "there is key, counter, gauge, histogram"}
	}
	m := Metric{
		Name: f.Annotations[nameKey], Type: typ, Unit: f.Annotations[unitKey], Field: f,
		Description: f.Annotations[descriptionKey],
	}
	if m.Name == "" {
		m.Name = f.Name
	}
	if p := m.check(slots); p != nil {
		return p
	}
	if typ == Histogram {
		if p := m.setScale(); p != nil {
			return p
		}
	}
	s.Metrics = append(s.Metrics, m)
	return nil
}

// fieldType is the type of metric that a field's typedef stands for, and whether
// it is one for the slots of a histogram.
func fieldType(f *event.Field) (typ Type, slots, is bool) {
	for _, tag := range f.Tags {
		name, _ := strings.CutPrefix(tag, "type:")
		if typ, is = typedefs[name]; is {
			return typ, typ == Histogram, true
		}
	}
	return 0, false, false
}

// check wants numbers: one of them, or counts where they are what the type says.
func (m *Metric) check(slots bool) *Problem {
	number := m.Field.Class() == event.Unsigned || m.Field.Class() == event.Signed || m.Field.Class() == event.Floating
	switch {
	case !number:
		return &Problem{Message: fmt.Sprintf("a %s is made of numbers, and this is text", m.Type),
			Hint: "the field with the number may have the same name with _raw"}
	case m.Field.Count > 0 && m.Type != Histogram:
		return &Problem{Message: fmt.Sprintf("a %s is one number, and this is an array of %d", m.Type, m.Field.Count)}
	case m.Field.Count > 0 && m.Field.Class() != event.Unsigned:
		return &Problem{Message: "the counts of a histogram are unsigned integers"}
	case m.Field.Count > maxBounds+1:
		return &Problem{Message: fmt.Sprintf("a histogram of %d counts has too many; there may be %d", m.Field.Count, maxBounds+1)}
	case m.Field.Count == 0 && slots:
		return &Problem{Message: "the slots of a histogram are an array"}
	}
	return nil
}

// setScale chooses the ranges of a histogram.
func (m *Metric) setScale() *Problem {
	whole := m.Field.Class() != event.Floating
	bounds, err := parseBounds(m.Field.Annotations[boundariesKey], whole)
	if err != nil {
		return &Problem{Message: fmt.Sprintf("%s: %v", boundariesKey, err)}
	}
	slots := m.Field.Count
	switch {
	case bounds != nil && slots > 0 && slots != len(bounds)+1:
		return &Problem{
			Message: fmt.Sprintf("%s: %d boundaries make %d ranges, and the array has %d counts", boundariesKey, len(bounds), len(bounds)+1, slots),
		}
	case bounds != nil:
		m.scale = boundedScale(bounds, whole)
	default:
		m.scale = powerScale(whole, slots)
	}
	for i := range slots {
		m.slots = append(m.slots, m.Field.Element(i))
	}
	return nil
}

// maxBounds of a histogram; more cannot be looked at.
const maxBounds = 256

// parseBounds reads a comma separated list of growing numbers, nil for "". A
// boundary between whole numbers is the one below it.
func parseBounds(text string, whole bool) ([]float64, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var bounds []float64
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		v, err := strconv.ParseFloat(item, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("%q is not a number", item)
		}
		if whole {
			v = math.Floor(v)
		}
		if n := len(bounds); n > 0 && bounds[n-1] >= v {
			return nil, fmt.Errorf("%s is not above the number before it", item)
		}
		if bounds = append(bounds, v); len(bounds) > maxBounds {
			return nil, fmt.Errorf("more than %d numbers", maxBounds)
		}
	}
	return bounds, nil
}

package metric

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"

	"github.com/gadget-bpf/gadget/internal/event"
)

// Form is how series become JSON.
type Form uint8

// Forms of JSON.
const (
	// Array is one line with an array of all series.
	Array Form = iota
	// Lines are one line for each series.
	Lines
	// Indented is the array on many lines.
	Indented
	// Documents are YAML documents in flow style, one for each series.
	Documents
)

// JSON returns a View with one object for each series of each metric, which has
// name, type, unit and keys, and a value (counters, gauges) or count and buckets
// (histograms). Buckets are those from the first to the last with anything in it;
// from and to are null where a range has no end. Of whole numbers both belong to
// the range, of others only to does. Members are in alphabetical order.
func JSON(form Form) View { return jsonView{form} }

type jsonView struct{ form Form }

// Show implements View.
func (v jsonView) Show(dst []byte, c *Collector) []byte {
	before, between, after := "[", ",", "]\n"
	switch v.form {
	case Lines:
		before, between, after = "", "\n", "\n"
	case Documents:
		before, between, after = "---\n", "\n---\n", "\n"
	}
	start, some := len(dst), false
	all, _ := c.shown()
	for _, s := range all {
		for i := range c.set.Metrics {
			if some {
				dst = append(dst, between...)
			} else {
				dst = append(dst, before...)
			}
			some = true
			dst = c.appendObject(dst, s, i)
		}
	}
	switch {
	case some:
		dst = append(dst, after...)
	case v.form == Array || v.form == Indented:
		dst = append(dst, "[]\n"...)
	}
	if v.form != Indented {
		return dst
	}
	var out bytes.Buffer
	// It fails for what is no JSON, which this is.
	_ = json.Indent(&out, dst[start:], "", "  ")
	return append(dst[:start], out.Bytes()...)
}

// appendObject appends the i-th metric of a series.
func (c *Collector) appendObject(dst []byte, s *series, i int) []byte {
	m, v := &c.set.Metrics[i], &s.values[i]
	dst = append(dst, '{')
	if m.Type == Histogram {
		dst = append(m.appendBuckets(append(dst, `"buckets":[`...), v), `],"count":`...)
		dst = append(strconv.AppendUint(dst, v.total, 10), ',')
	}
	dst = append(dst, `"keys":{`...)
	for k, text := range s.keys {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(event.AppendQuoted(dst, []byte(c.set.Keys[k].Name)), ':')
		dst = appendKey(dst, c.set.Keys[k], text)
	}
	dst = append(event.AppendQuoted(append(dst, `},"name":`...), []byte(m.Name)), ',')
	if s == c.other {
		dst = append(dst, `"other":true,`...)
	}
	dst = append(append(append(dst, `"type":"`...), m.Type.String()...), `","unit":`...)
	dst = event.AppendQuoted(dst, []byte(m.Unit))
	if m.Type != Histogram {
		dst = append(dst, `,"value":`...)
		if start := len(dst); m.class() == event.Floating && !finite(v.f) {
			dst = append(dst[:start], "null"...)
		} else {
			dst = m.appendValue(dst, v)
		}
	}
	return append(dst, '}')
}

func (m *Metric) appendBuckets(dst []byte, v *value) []byte {
	first, last, ok := v.bounds()
	for i := first; ok && i <= last; i++ {
		if i > first {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(append(dst, `{"count":`...), v.counts[i], 10)
		r := m.scale.ranges[i]
		dst = append(append(dst, `,"from":`...), orNull(r.from)...)
		dst = append(append(append(dst, `,"to":`...), orNull(r.to)...), '}')
	}
	return dst
}

func orNull(number string) string {
	if number == "" {
		return "null"
	}
	return number
}

// appendKey appends the text of a key as what it is in the JSON of a record.
func appendKey(dst []byte, f *event.Field, text string) []byte {
	switch {
	case f.Count > 0:
	case f.Class() == event.Boolean, f.Class() == event.Signed, f.Class() == event.Unsigned:
		return append(dst, text...)
	case f.Class() == event.Floating:
		if v, err := strconv.ParseFloat(text, 64); err != nil || !finite(v) {
			text = "null"
		}
		return append(dst, text...)
	}
	return event.AppendQuoted(dst, []byte(text))
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// appendValue appends the number of a counter or gauge.
func (m *Metric) appendValue(dst []byte, v *value) []byte {
	switch m.class() {
	case event.Floating:
		return strconv.AppendFloat(dst, v.f, 'g', -1, 64)
	case event.Signed:
		return strconv.AppendInt(dst, int64(v.n), 10)
	}
	return strconv.AppendUint(dst, v.n, 10)
}

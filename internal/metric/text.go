package metric

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
)

const (
	// plainWidth is how wide lines are that nothing bounds, in cells.
	plainWidth = 80
	// minBar is the narrowest bar that says anything; a terminal without room for
	// it gets none.
	minBar = 8
)

// RenderedField is the name of the field with a drawing.
const RenderedField = "text"

// RenderedLayout is the layout of a data source whose events are drawings: one
// text field.
func RenderedLayout(name string, annotations map[string]string) *event.Layout {
	return &event.Layout{Name: name, Annotations: annotations, Fields: []event.Field{{
		Name: RenderedField, Kind: event.Added, Description: "Histograms, and a table of counters and gauges",
	}}}
}

// Drawing returns a View that gives one record of [RenderedLayout] to enc: the
// table of all counters and gauges, then each histogram with a line for each range
//
//	[4 -> 7] : 12 |*****     |
//
// from the first range to the last with anything in it. Lines are fitted into
// width cells as long as numbers need not be cut for it; 0 is for a file.
func Drawing(enc event.Encoder, width int) View { return &drawing{enc: enc, width: width} }

type drawing struct {
	enc   event.Encoder
	width int
	// text of the drawing that is being made.
	text []byte
}

// Show implements View.
func (d *drawing) Show(dst []byte, c *Collector) []byte {
	d.text = d.text[:0]
	all, hidden := c.shown()
	d.table(c, all)
	for i := range c.set.Metrics {
		if c.set.Metrics[i].Type == Histogram {
			d.histogram(c, all, i)
		}
	}
	if hidden > 0 {
		d.block("%d more series not shown", hidden)
	}
	if c.beyond > 0 {
		d.block("%s of more than %d series counted as other", plural(c.beyond, "record", "records"), maxSeries)
	}
	if c.unfit > 0 {
		d.block("%s left out: not a number, or below 0 for a counter", plural(c.unfit, "value", "values"))
	}
	rec := event.Record{Added: [][]byte{d.text}}
	return d.enc.End(d.enc.Append(d.enc.Begin(dst), &rec))
}

func plural(n uint64, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// block begins a new part of the drawing with a line of its own.
func (d *drawing) block(format string, args ...any) {
	if len(d.text) > 0 {
		d.text = append(d.text, '\n')
	}
	d.line(fmt.Sprintf(format, args...))
}

// line appends a line of words, which may be cut.
func (d *drawing) line(text string) {
	safe := event.AppendControlSafe(nil, []byte(text))
	d.text = append(event.AppendFitted(d.text, safe, d.width), '\n')
}

// title of a metric: name (unit): description.
func (m *Metric) title() string {
	title := m.Name
	if m.Unit != "" {
		title += " (" + m.Unit + ")"
	}
	if m.Description != "" {
		title += ": " + m.Description
	}
	return title
}

// table draws all counters and gauges: a line for each series, keys first, but for
// those that are always empty.
func (d *drawing) table(c *Collector, all []*series) {
	l := &event.Layout{}
	for i, f := range c.set.Keys {
		// A gadget may fill its keys only where it is told to.
		if len(all) > 0 && !slices.ContainsFunc(all, func(s *series) bool { return s == c.other || s.keys[i] != "" }) {
			continue
		}
		l.Fields = append(l.Fields, event.Field{Name: f.Name, Kind: event.Added, Slot: i, Column: f.Column})
	}
	var numbers []int
	for i := range c.set.Metrics {
		m := &c.set.Metrics[i]
		if m.Type == Histogram {
			continue
		}
		if m.Unit != "" || m.Description != "" {
			d.line(m.title())
		}
		f := event.Field{Name: m.Name, Kind: numberKind(m.class()), Offset: 8 * len(numbers), Size: 8}
		f.Column.Right, f.Column.Precision = true, -1
		l.Fields = append(l.Fields, f)
		numbers = append(numbers, i)
	}
	if len(numbers) == 0 {
		return
	}
	e := event.NewColumns(l, nil, event.ColumnOptions{Width: d.width})
	d.text = e.Begin(d.text)
	for _, s := range all {
		rec := event.Record{Added: s.keyCells(c)}
		for _, i := range numbers {
			bits := s.values[i].n
			if c.set.Metrics[i].class() == event.Floating {
				bits = math.Float64bits(s.values[i].f)
			}
			rec.Raw = binary.NativeEndian.AppendUint64(rec.Raw, bits)
		}
		d.text = e.Append(d.text, &rec)
	}
	d.text = e.End(d.text)
	if len(all) == 0 {
		d.text = append(d.text, "no values\n"...)
	}
}

func numberKind(c event.Class) event.Kind {
	switch c {
	case event.Floating:
		return event.Float64
	case event.Signed:
		return event.Int64
	}
	return event.Uint64
}

// keyCells are the texts of the key columns.
func (s *series) keyCells(c *Collector) [][]byte {
	cells := make([][]byte, len(c.set.Keys))
	for i, text := range s.keys {
		cells[i] = []byte(text)
	}
	if s == c.other && len(cells) > 0 {
		cells[0] = []byte("(other)")
	}
	return cells
}

// histogram draws the i-th metric of all series.
func (d *drawing) histogram(c *Collector, all []*series, i int) {
	m := &c.set.Metrics[i]
	d.block("%s", m.title())
	some := false
	for _, s := range all {
		first, last, ok := s.values[i].bounds()
		if !ok {
			continue
		}
		if names := s.names(c); names != "" {
			if some {
				d.text = append(d.text, '\n')
			}
			d.line(names)
		}
		some = true
		d.bars(m.scale, s.values[i].counts, first, last)
	}
	if !some {
		d.text = append(d.text, "no values\n"...)
	}
}

// names tells a series from others: key=value, with quotes where they are needed,
// without the keys that are empty.
func (s *series) names(c *Collector) string {
	if s == c.other {
		return "(other)"
	}
	var names []string
	for i, text := range s.keys {
		if text == "" {
			continue
		}
		if strings.ContainsAny(text, " \"=") {
			text = string(event.AppendQuoted(nil, []byte(text)))
		}
		names = append(names, c.set.Keys[i].Name+"="+text)
	}
	return strings.Join(names, " ")
}

// bars draws the ranges from first to last.
func (d *drawing) bars(s *scale, counts []uint64, first, last int) {
	var most uint64
	labelWidth := 0
	for i := first; i <= last; i++ {
		most = max(most, counts[i])
		labelWidth = max(labelWidth, len(s.appendRange(nil, i)))
	}
	countWidth := len(strconv.FormatUint(most, 10))
	width := d.width
	if width <= 0 {
		width = plainWidth
	}
	// Two cells at the left, " : " and " |", and "|" at the end.
	bar := width - len("  "+" : "+" |"+"|") - labelWidth - countWidth
	for i := first; i <= last; i++ {
		d.text = fmt.Appendf(d.text, "  %*s : %*d", labelWidth, s.appendRange(nil, i), countWidth, counts[i])
		if bar >= minBar {
			stars := int(float64(counts[i]) / float64(most) * float64(bar))
			if counts[i] > 0 {
				stars = max(stars, 1)
			}
			d.text = append(append(d.text, " |"...), bytes.Repeat([]byte{'*'}, stars)...)
			d.text = append(append(d.text, bytes.Repeat([]byte{' '}, bar-stars)...), '|')
		}
		d.text = append(d.text, '\n')
	}
}

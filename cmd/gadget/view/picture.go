package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
)

// TableOptions say what a Screen shows of an array data source.
type TableOptions struct {
	Layout *event.Layout
	Env    *event.Env
	// Columns without their Width, which is that of the terminal. Fields must be
	// set.
	Columns event.ColumnOptions
	// Order of the rows as event.ParseOrder reads it, until a key changes it.
	Order string
	// MaxRows are shown at most; 0 or less is no limit.
	MaxRows int
}

// Table makes the screen show a table, and returns the encoder that gives it its
// rows: a picture for each batch.
func (s *Screen) Table(o TableOptions) (event.Encoder, error) {
	p := &table{o: o}
	for _, f := range o.Columns.Fields {
		if f.Count == 0 {
			p.sortable = append(p.sortable, f)
		}
	}
	first, _, _ := strings.Cut(o.Order, ",")
	p.by, p.descending = strings.CutPrefix(strings.TrimSpace(first), "-")
	if err := p.sortBy(o.Order); err != nil {
		return nil, err
	}
	s.picture = p
	return &tableEncoder{screen: s, table: p}, nil
}

// table is the picture of an array data source: rows in an order that keys change.
type table struct {
	o        TableOptions
	sortable []*event.Field
	// by is the field by which the rows are sorted, "" for none.
	by         string
	descending bool
	compare    func(a, b *event.Record) int

	rows    batch
	encoder event.Encoder
	width   int
	shown   int
}

// sortBy orders the rows.
func (t *table) sortBy(order string) error {
	compare, err := event.ParseOrder(t.o.Layout, t.o.Env, order)
	if err != nil {
		return err
	}
	t.compare = compare
	t.sort()
	return nil
}

func (t *table) sort() {
	if t.compare != nil {
		slices.SortStableFunc(t.rows.records, func(a, b event.Record) int { return t.compare(&a, &b) })
	}
}

func (t *table) lines(width, height int) []line {
	if t.encoder == nil || t.width != width {
		columns := t.o.Columns
		columns.Width = width
		t.encoder, t.width = event.NewColumns(t.o.Layout, t.o.Env, columns), width
	}
	text := t.encoder.Begin(nil)
	header := len(text) > 0
	if header {
		height--
	}
	t.shown = max(0, min(height, len(t.rows.records)))
	if t.o.MaxRows > 0 {
		t.shown = min(t.shown, t.o.MaxRows)
	}
	for i := range t.rows.records[:t.shown] {
		text = t.encoder.Append(text, &t.rows.records[i])
	}
	var lines []line
	for l := range strings.Lines(string(text)) {
		lines = append(lines, line{strings.TrimSuffix(l, "\n"), header && len(lines) == 0})
	}
	return lines
}

func (t *table) status() string {
	text := fmt.Sprintf("%d of %d rows", t.shown, len(t.rows.records))
	if t.by == "" {
		return text
	}
	arrow := "↑"
	if t.descending {
		arrow = "↓"
	}
	return text + " by " + Safe(t.by) + " " + arrow
}

func (t *table) keys() string {
	if t.by == "" {
		return "< > sort"
	}
	return "< > sort   r reverse"
}

func (t *table) press(k key) bool {
	switch k {
	case '<', ',', keyLeft:
		return t.move(-1)
	case '>', '.', keyRight:
		return t.move(+1)
	case 'r':
		return t.by != "" && t.reorder(t.by, !t.descending)
	}
	return false
}

// move sorts by the next column in a direction: numbers, and text made of them,
// from high to low, as the top of a top is what one wants to see.
func (t *table) move(step int) bool {
	n := len(t.sortable)
	if n == 0 {
		return false
	}
	at := slices.IndexFunc(t.sortable, func(f *event.Field) bool { return f.Name == t.by })
	if at < 0 && step < 0 {
		at = 0
	}
	f := t.sortable[(at+step+n)%n]
	return t.reorder(f.Name, f.Class() != event.Text || f.Column.Right)
}

// reorder sorts by a field, and rows that are equal by the order at the start.
func (t *table) reorder(by string, descending bool) bool {
	order := by + "," + t.o.Order
	if descending {
		order = "-" + order
	}
	if t.sortBy(order) != nil {
		return false
	}
	t.by, t.descending = by, descending
	return true
}

// tableEncoder gathers the rows of a batch for the screen, and writes nothing.
type tableEncoder struct {
	screen *Screen
	table  *table
	next   batch
}

var _ event.Encoder = (*tableEncoder)(nil)

func (e *tableEncoder) Begin(dst []byte) []byte {
	e.next.clear()
	return dst
}

func (e *tableEncoder) Append(dst []byte, rec *event.Record) []byte {
	e.next.add(rec)
	return dst
}

func (e *tableEncoder) End(dst []byte) []byte {
	e.next.finish()
	e.screen.update(func() {
		e.table.rows, e.next = e.next, e.table.rows
		e.table.sort()
	})
	return dst
}

// batch is a copy of records that outlives what they were read from.
type batch struct {
	raw     []byte
	ends    []int
	records []event.Record
}

func (b *batch) clear() { b.raw, b.ends, b.records = b.raw[:0], b.ends[:0], b.records[:0] }

func (b *batch) add(rec *event.Record) {
	b.raw = append(b.raw, rec.Raw...)
	b.ends = append(b.ends, len(b.raw))
	b.records = append(b.records, event.Record{Container: rec.Container, Added: cloneTexts(rec.Added)})
}

// finish gives the records their bytes, which no longer move.
func (b *batch) finish() {
	start := 0
	for i, end := range b.ends {
		b.records[i].Raw = b.raw[start:end]
		start = end
	}
}

func cloneTexts(texts [][]byte) [][]byte {
	var clones [][]byte
	for _, t := range texts {
		clones = append(clones, slices.Clone(t))
	}
	return clones
}

// Text makes the screen show what an encoder writes, such as drawings, and returns
// the encoder to use in its place: a picture for each batch.
func (s *Screen) Text(e event.Encoder) event.Encoder {
	p := &text{}
	s.picture = p
	return &textEncoder{screen: s, text: p, encoder: e}
}

// text is a picture that is drawn already.
type text struct {
	all   []line
	shown int
}

func (t *text) lines(_, height int) []line {
	t.shown = max(0, min(height, len(t.all)))
	return t.all[:t.shown]
}

func (t *text) status() string {
	if t.shown == len(t.all) {
		return ""
	}
	return fmt.Sprintf("%d of %d lines", t.shown, len(t.all))
}

func (t *text) press(key) bool { return false }
func (t *text) keys() string   { return "" }

type textEncoder struct {
	screen  *Screen
	text    *text
	encoder event.Encoder
	buf     []byte
}

var _ event.Encoder = (*textEncoder)(nil)

func (e *textEncoder) Begin(dst []byte) []byte {
	e.buf = e.encoder.Begin(e.buf[:0])
	return dst
}

func (e *textEncoder) Append(dst []byte, rec *event.Record) []byte {
	e.buf = e.encoder.Append(e.buf, rec)
	return dst
}

func (e *textEncoder) End(dst []byte) []byte {
	e.buf = e.encoder.End(e.buf)
	var all []line
	for l := range strings.Lines(strings.ReplaceAll(strings.TrimRight(string(e.buf), "\n"), "\t", "        ")) {
		all = append(all, line{text: strings.TrimSuffix(l, "\n")})
	}
	e.screen.update(func() { e.text.all = all })
	return dst
}

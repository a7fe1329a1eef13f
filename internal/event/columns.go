package event

import (
	"cmp"
	"math"
	"strconv"
	"strings"
)

// ColumnOptions choose what a table shows. The zero value shows the default
// columns with full values, as is right for a file or a pipe.
type ColumnOptions struct {
	// Fields to show, from Select; nil stands for the default ones.
	Fields []*Field
	// Width of the terminal in cells: lines are made to fit. 0 means that there is
	// no terminal: values are never cut, and the header is printed only once.
	Width int
	// NoHeaders leaves out the line of titles, NoTrunc prints full values on a
	// terminal too.
	NoHeaders, NoTrunc bool
	// Name, when not "", stands before each header, and an empty line after each
	// batch: for tables of several data sources under each other.
	Name string
}

type columnEncoder struct {
	text    *Formatter
	columns []column
	// cut is true when values are cut to the width of their column.
	cut bool
	// header is printed by Begin, the first time only when once is set, and
	// footer by End.
	header, footer []byte
	once           bool
	// raw is a value, safe the same as the terminal gets it.
	raw, safe []byte
}

// column is one field with its place in the table.
type column struct {
	*Field
	// shown is the field whose value it has: Field itself, or its replacement.
	shown *Field
	title string
	width int
}

var _ Encoder = (*columnEncoder)(nil)

// NewColumns returns an Encoder that prints a table: a header in upper case, then
// one line per record with a space between columns. Nothing that a record holds
// can do more to a terminal than be printed, and no line ends with a space.
//
// On a terminal the columns that are not Fixed grow and shrink in proportion to
// their widths until the line fits, within their MinWidth and MaxWidth as long
// as that is possible; columns that find no room at all are left out from the
// right. A column without Width has 16 cells, less when its numbers need less,
// more when its title does.
func NewColumns(l *Layout, env *Env, o ColumnOptions) Encoder {
	fields := o.Fields
	if fields == nil {
		fields = visible(l)
	}
	e := &columnEncoder{text: NewFormatter(env), cut: o.Width > 0 && !o.NoTrunc, once: o.Width == 0 && o.Name == ""}
	for _, f := range fields {
		e.columns = append(e.columns, newColumn(f, e.cut))
	}
	if e.cut {
		e.columns = fit(e.columns, o.Width)
	}
	if !o.NoHeaders {
		for i := range e.columns {
			c := &e.columns[i]
			e.header = e.appendCell(e.header, i, append(e.safe[:0], c.title...), EllipsisEnd)
		}
		e.header = append(trimRight(e.header, 0), '\n')
		if o.Name != "" {
			e.header = append(AppendControlSafe(nil, []byte(o.Name)), append([]byte(":\n"), e.header...)...)
			e.footer = []byte{'\n'}
		}
	}
	return e
}

func (e *columnEncoder) Begin(dst []byte) []byte {
	dst = append(dst, e.header...)
	if e.once {
		e.header = nil
	}
	return dst
}

func (e *columnEncoder) Append(dst []byte, rec *Record) []byte {
	start := len(dst)
	for i := range e.columns {
		c := &e.columns[i]
		e.raw = e.value(e.raw[:0], c.shown, rec)
		e.safe = AppendControlSafe(e.safe[:0], e.raw)
		dst = e.appendCell(dst, i, e.safe, c.Column.Ellipsis)
	}
	return append(trimRight(dst, start), '\n')
}

func (e *columnEncoder) End(dst []byte) []byte { return append(dst, e.footer...) }

// appendCell appends one safe text, cut and padded, as column i of a line.
func (e *columnEncoder) appendCell(dst []byte, i int, text []byte, where Ellipsis) []byte {
	c := &e.columns[i]
	if i > 0 {
		dst = append(dst, ' ')
	}
	cells := textWidth(text)
	if e.cut && cells > c.width {
		start := len(dst)
		dst = appendCut(dst, text, c.width, where)
		return appendSpaces(dst, c.width-textWidth(dst[start:])) // a wide character may not have fitted
	}
	if c.Column.Right {
		return append(appendSpaces(dst, c.width-cells), text...)
	}
	return appendSpaces(append(dst, text...), c.width-cells)
}

// value appends what a column shows of a field: the usual text but for numbers
// with a format of their own.
func (e *columnEncoder) value(dst []byte, f *Field, rec *Record) []byte {
	floating := f.Class() == Floating
	if !f.numeric() || !floating && !f.Column.Hex {
		return e.text.Append(dst, f, rec)
	}
	if f.Count == 0 {
		return e.number(dst, f, f.Uint(rec))
	}
	dst = append(dst, '[')
	for i := range f.elements(rec) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = e.number(dst, f, f.uintAt(rec, i))
	}
	return append(dst, ']')
}

func (e *columnEncoder) number(dst []byte, f *Field, v uint64) []byte {
	switch f.Class() {
	case Floating:
		decimals := f.Column.Precision
		if decimals < 0 || decimals > maxDecimals {
			decimals = 2
		}
		return strconv.AppendFloat(dst, f.float(v), 'f', decimals, 64)
	case Signed:
		n := int64(v)
		if f.Kind == WallTime {
			n = e.text.env.Wall(v)
		}
		if n < 0 {
			return strconv.AppendUint(append(dst, "-0x"...), -uint64(n), 16)
		}
		v = uint64(n)
		fallthrough
	case Unsigned:
		return strconv.AppendUint(append(dst, "0x"...), v, 16)
	}
	return e.text.appendNumber(dst, f, v)
}

const maxDecimals = 20

func appendSpaces(dst []byte, n int) []byte {
	const spaces = "                                "
	for ; n > len(spaces); n -= len(spaces) {
		dst = append(dst, spaces...)
	}
	return append(dst, spaces[:max(n, 0)]...)
}

// trimRight removes spaces from the end of a line that begins at start.
func trimRight(dst []byte, start int) []byte {
	for len(dst) > start && dst[len(dst)-1] == ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

const (
	defaultWidth = 16
	// readable is what a column is left with as long as there is room for it.
	readable = 6
	// widest is the limit of what a gadget may ask for.
	widest = 1024
)

func newColumn(f *Field, cut bool) column {
	title := f.Column.Title
	if title == "" {
		title = f.Name
	}
	c := column{Field: f, shown: cmp.Or(f.Column.Replace, f), title: string(AppendControlSafe(nil, []byte(strings.ToUpper(title))))}
	titleWidth := textWidth([]byte(c.title))
	c.width = f.Column.Width
	if c.width <= 0 {
		c.width = defaultWidth
		if digits := c.shown.digits(); digits > 0 {
			c.width = min(digits, defaultWidth)
		}
		c.width = max(c.width, titleWidth)
	}
	c.width = max(c.width, f.Column.MinWidth)
	if f.Column.MaxWidth > 0 {
		c.width = min(c.width, f.Column.MaxWidth)
	}
	if !cut {
		c.width = max(c.width, titleWidth)
	}
	c.width = min(c.width, widest)
	return c
}

// digits is the length of the longest value of a field that is an integer or a
// truth value, 0 when that is not known.
func (f *Field) digits() int {
	if f.Count > 0 {
		return 0
	}
	switch f.Kind {
	case Bool:
		return len("false")
	case Uint8, Int8:
		return len("-128")
	case Uint16, Int16:
		return len("-32768")
	case Uint32, Int32:
		return len("4294967295")
	case Uint64, Int64, WallTime:
		return len("-9223372036854775808")
	}
	return 0
}

// fit changes the widths so that a line has as many cells as the terminal, at
// most, and drops the columns for which there is no room.
func fit(columns []column, cells int) []column {
	columns = columns[:min(len(columns), (cells+1)/2)] // one cell and one space each
	left := min(cells, len(columns)*widest) - max(0, len(columns)-1)
	for i := range columns {
		left -= columns[i].width
	}
	wanted := func(c *column) int {
		if c.Column.Fixed {
			return c.width
		}
		return max(min(c.Column.MinWidth, widest), min(c.width, readable))
	}
	left = scale(columns, left, wanted, -1)
	left = scale(columns, left, func(*column) int { return 1 }, -1)
	scale(columns, left, (*column).most, +1)
	return columns
}

// most is how wide a column may grow.
func (c *column) most() int {
	switch digits := c.shown.digits(); {
	case c.Column.Fixed:
		return c.width
	case c.Column.MaxWidth > 0:
		return max(c.width, c.Column.MaxWidth)
	case digits > 0:
		return max(c.width, digits)
	}
	return math.MaxInt
}

// scale moves widths cell by cell in the direction of step until no cell is left
// (or missing, when left is negative) or all columns are at their limit. It is
// always the turn of the column that has changed least for its size. It returns
// the cells that are still left or missing.
func scale(columns []column, left int, limit func(*column) int, step int) int {
	before := make([]int, len(columns))
	limits := make([]int, len(columns))
	for i := range columns {
		before[i], limits[i] = max(columns[i].width, 1), limit(&columns[i])
	}
	for left*step > 0 {
		next, change := -1, 0.0
		for i := range columns {
			if (limits[i]-columns[i].width)*step <= 0 {
				continue
			}
			c := math.Abs(float64(columns[i].width+step-before[i])) / float64(before[i])
			if next < 0 || c < change {
				next, change = i, c
			}
		}
		if next < 0 {
			break
		}
		columns[next].width += step
		left -= step
	}
	return left
}

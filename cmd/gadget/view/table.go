package view

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Table is a list for people: upper-case titles over columns that are as wide as
// their widest cell. Cells are made safe to print.
type Table struct {
	// Titles of the columns; no header is printed when there are none.
	Titles []string
	// Right marks the columns that are aligned to the right, by index.
	Right map[int]bool
	// Indent precedes every line.
	Indent string
	rows   [][]string
}

// Row adds a line. Missing cells are empty.
func (t *Table) Row(cells ...string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = Safe(c)
	}
	t.rows = append(t.rows, row)
}

// Len is the number of rows so far.
func (t *Table) Len() int { return len(t.rows) }

// Write prints the table. On a terminal the last column is cut at its edge; in a
// pipe nothing is cut.
func (t *Table) Write(w io.Writer, term Terminal) error {
	widths := t.widths()
	var b strings.Builder
	if len(t.Titles) > 0 {
		var line strings.Builder
		t.line(&line, t.Titles, widths, term.Width)
		b.WriteString(term.Bold(strings.TrimRight(strings.ToUpper(line.String()), "\n")))
		b.WriteByte('\n')
	}
	for _, row := range t.rows {
		t.line(&b, row, widths, term.Width)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t *Table) widths() []int {
	var widths []int
	for _, row := range append([][]string{t.Titles}, t.rows...) {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	return widths
}

func (t *Table) line(b *strings.Builder, row []string, widths []int, limit int) {
	var line strings.Builder
	line.WriteString(t.Indent)
	for i, c := range row {
		if i > 0 {
			line.WriteString("  ")
		}
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
		if t.Right[i] {
			line.WriteString(pad + c)
		} else {
			line.WriteString(c + pad)
		}
	}
	b.WriteString(cut(strings.TrimRight(line.String(), " "), limit))
	b.WriteByte('\n')
}

// cut shortens s to limit cells, the last of them an ellipsis; 0 is no limit.
func cut(s string, limit int) string {
	if limit <= 0 || utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}

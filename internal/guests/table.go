package guests

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Table is which case works on which kernel. It is kept in a page, between two
// markers, and read from there.
type Table struct {
	// Kernels are the columns.
	Kernels []string
	// Groups are the tables, one below the other.
	Groups []Group

	cells map[cell]Result
}

// Group is a table of its own.
type Group struct {
	// Title is the heading of its first column.
	Title string
	// Cases are the rows.
	Cases []string
}

type cell struct{ kernel, name string }

// The markers, and the marks between them.
const (
	beginMark  = "<!-- made by make docs-kernels -->\n"
	endMark    = "<!-- end -->\n"
	okMark     = "✓"
	absentMark = "–"
)

// Set records what a kernel said.
func (t *Table) Set(kernel string, results []Result) {
	if t.cells == nil {
		t.cells = map[cell]Result{}
	}
	for k := range t.cells {
		if k.kernel == kernel {
			delete(t.cells, k)
		}
	}
	for _, r := range results {
		t.cells[cell{kernel, r.Case}] = r
	}
}

// Read takes from a page what it says of the table's kernels.
func (t *Table) Read(page string) error {
	_, body, _, err := cut(page)
	if err != nil {
		return err
	}
	var notes []string
	for line := range strings.Lines(body) {
		if _, text, ok := strings.Cut(strings.TrimSpace(line), ". "); ok && line[0] >= '1' && line[0] <= '9' {
			notes = append(notes, text)
		}
	}
	found := map[string][]Result{}
	var kernels []string
	for line := range strings.Lines(body) {
		row := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		switch {
		case len(row) < 2 || strings.Contains(row[0], "---"):
			continue
		case !strings.Contains(row[0], "`"):
			kernels = row[1:]
			continue
		}
		name := strings.Trim(row[0], " `")
		for i, text := range row[1:] {
			r := Result{Case: name, Verdict: "absent"}
			var note int
			switch text = strings.TrimSpace(text); {
			case text == okMark:
				r.Verdict = "ok"
			case i >= len(kernels):
				return fmt.Errorf("row %s: more cells than kernels", name)
			default:
				if _, err := fmt.Sscanf(text, absentMark+" (%d)", &note); err != nil || note < 1 || note > len(notes) {
					continue
				}
				r.Detail = notes[note-1]
			}
			kernel := strings.TrimSpace(kernels[i])
			found[kernel] = append(found[kernel], r)
		}
	}
	for _, k := range t.Kernels {
		t.Set(k, found[k])
	}
	return nil
}

// Write returns the page with the table in it.
func (t *Table) Write(page string) (string, error) {
	before, _, after, err := cut(page)
	if err != nil {
		return "", err
	}
	return before + t.String() + after, nil
}

// String is the table as Markdown.
func (t *Table) String() string {
	var b strings.Builder
	var notes []string
	for _, g := range t.Groups {
		fmt.Fprintf(&b, "\n| %s | %s |\n| --- |%s\n", g.Title, strings.Join(t.Kernels, " | "), strings.Repeat(" :-: |", len(t.Kernels)))
		for _, name := range g.Cases {
			fmt.Fprintf(&b, "| `%s` |", name)
			for _, k := range t.Kernels {
				mark := " "
				switch r := t.cells[cell{k, name}]; r.Verdict {
				case "ok":
					mark = okMark
				case "absent":
					if !slices.Contains(notes, r.Detail) {
						notes = append(notes, r.Detail)
					}
					mark = fmt.Sprintf("%s (%d)", absentMark, slices.Index(notes, r.Detail)+1)
				}
				fmt.Fprintf(&b, " %s |", mark)
			}
			b.WriteString("\n")
		}
	}
	b.WriteString("\n")
	for i, n := range notes {
		fmt.Fprintf(&b, "%d. %s\n", i+1, n)
	}
	return b.String()
}

// cut divides a page at the markers, which stay outside.
func cut(page string) (before, body, after string, err error) {
	before, rest, ok := strings.Cut(page, beginMark)
	body, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return "", "", "", errors.New("the page lacks the markers of the table")
	}
	return before + beginMark, body, endMark + after, nil
}

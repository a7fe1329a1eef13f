package guests

import (
	"errors"
	"fmt"
	"regexp"
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
	notes := map[string]string{}
	for _, m := range noteLines.FindAllStringSubmatch(body, -1) {
		notes[m[1]] = m[2]
	}
	found := map[string][]Result{}
	var kernels []string
	for _, m := range rowLines.FindAllStringSubmatch(body, -1) {
		name, cells := m[1], strings.Split(m[2], " | ")
		switch {
		case name == "---":
			continue
		case !strings.HasPrefix(name, "`"):
			kernels = cells
			continue
		}
		for i, text := range cells[:min(len(cells), len(kernels))] {
			r := Result{Case: strings.Trim(name, "`")}
			if text == okMark {
				r.Verdict = "ok"
			} else if note, ok := strings.CutPrefix(text, absentMark+" ("); ok {
				r.Verdict, r.Detail = "absent", notes[strings.TrimSuffix(note, ")")]
			}
			found[kernels[i]] = append(found[kernels[i]], r)
		}
	}
	for _, k := range t.Kernels {
		t.Set(k, found[k])
	}
	return nil
}

// What a table consists of: rows, the first of which has the kernels, and the notes
// that they refer to.
var (
	rowLines  = regexp.MustCompile(`(?m)^\| (.*?) \| (.*) \|$`)
	noteLines = regexp.MustCompile(`(?m)^(\d+)\. (.*)$`)
)

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

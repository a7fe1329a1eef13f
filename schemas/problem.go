package schemas

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxFile is the size in bytes above which no file of this package is read.
const MaxFile = 1 << 20

// String returns file:line:col, leaving out what is not known.
func (p Pos) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d", p.Line)
		if p.Col > 0 {
			s += fmt.Sprintf(":%d", p.Col)
		}
	}
	return strings.TrimPrefix(s, ":")
}

// String returns the word of compilers: warning or error.
func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// String returns file:line:col: error: message (hint).
func (p Problem) String() string {
	var b strings.Builder
	if pos := p.Pos.String(); pos != "" {
		b.WriteString(pos + ": ")
	}
	b.WriteString(p.Severity.String() + ": " + p.Message)
	if p.Hint != "" {
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Error makes a Problem usable as an error; the text is that of String.
func (p Problem) Error() string { return p.String() }

// Refusal returns the problems that refuse a file as one error, a line each:
// those of severity Error, and with strict all of them. It is nil when there
// are none.
func Refusal(problems []Problem, strict bool) error {
	var errs []error
	for _, p := range problems {
		if p.Severity == Error || strict {
			errs = append(errs, p)
		}
	}
	return errors.Join(errs...)
}

// sortProblems orders by place, keeping the order of findings at one place.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
}

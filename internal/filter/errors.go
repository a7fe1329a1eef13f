package filter

import (
	"strings"
	"unicode/utf8"

	"github.com/gadget-bpf/gadget/internal/event"
)

// Error says what is wrong with a filter and where.
type Error struct {
	// Source is the whole filter, Pos the part at fault.
	Source string
	Pos    Span
	// Message is one line without the source.
	Message string
	// Unknown is the name when the error is about a name that is no field.
	Unknown string
	// Also says why the filter does not work in its other form either, "" when it
	// has nothing of that form.
	Also string

	// near is true when a field has a name close to Unknown.
	near bool
	// syntax is true when the source has no structure that names could be looked up in.
	syntax bool
}

// Error is the message, the line of the source, and carets under the part at fault.
func (e *Error) Error() string {
	text := printable([]rune(e.Message)) // it may quote the source
	if e.Source != "" {
		text += e.excerpt()
	}
	if e.Also != "" {
		text += "\n" + printable([]rune(e.Also))
	}
	return text
}

// excerpt is the line of the source and a line of carets. Of a long line it is
// the surroundings of the error.
func (e *Error) excerpt() string {
	const around = 60
	runes := []rune(e.Source)
	from := min(max(e.Pos.From, 0), len(runes))
	to := min(max(e.Pos.To, from), len(runes))
	start, end := from, from
	for start > 0 && runes[start-1] != '\n' && from-start < around {
		start--
	}
	for end < len(runes) && runes[end] != '\n' && end-from < around {
		end++
	}
	before := printable(runes[start:from])
	carets := min(max(to-from, 1), max(end-from, 1))
	return "\n  " + before + printable(runes[from:end]) +
		"\n  " + strings.Repeat(" ", utf8.RuneCountInString(before)) + strings.Repeat("^", carets)
}

func printable(r []rune) string {
	return string(event.AppendControlSafe(nil, []byte(strings.ReplaceAll(string(r), "\t", " "))))
}

package view

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe returns s with everything that could move a cursor, change a terminal or
// turn the reading direction replaced by \xNN or \uNNNN. The result is one line.
func Safe(s string) string { return neutralise(s, false) }

// SafeText is Safe for text of several lines: line breaks and tabs stay.
func SafeText(s string) string { return neutralise(s, true) }

func neutralise(s string, lines bool) string {
	clean := true
	for _, r := range s {
		if unsafeRune(r, lines) || r == utf8.RuneError {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < 0x100 && unsafeRune(r, lines):
			for _, c := range []byte(s[i : i+n]) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		case unsafeRune(r, lines):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// unsafeRune reports control characters (C0, DEL, C1), line and paragraph
// separators, and the marks that reorder text.
func unsafeRune(r rune, lines bool) bool {
	switch {
	case r == '\n' || r == '\t':
		return !lines
	case unicode.IsControl(r), r == 0x2028, r == 0x2029:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
		return true
	}
	return false
}

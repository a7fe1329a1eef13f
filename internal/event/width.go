package event

import (
	"unicode"
	"unicode/utf8"
)

// wide characters take two cells in a terminal: Unicode's East Asian wide and
// fullwidth ones. Blocks of pictures are taken as a whole; the few narrow ones
// among them only leave a cell unused.
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x1100, 0x115f, 1}, {0x231a, 0x231b, 1}, {0x2329, 0x232a, 1}, {0x23e9, 0x23ec, 1}, {0x23f0, 0x23f0, 1},
		{0x23f3, 0x23f3, 1}, {0x25fd, 0x25fe, 1}, {0x2614, 0x2615, 1}, {0x2630, 0x2637, 1}, {0x2648, 0x2653, 1},
		{0x267f, 0x267f, 1}, {0x268a, 0x268f, 1}, {0x2693, 0x2693, 1}, {0x26a1, 0x26a1, 1}, {0x26aa, 0x26ab, 1},
		{0x26bd, 0x26be, 1}, {0x26c4, 0x26c5, 1}, {0x26ce, 0x26ce, 1}, {0x26d4, 0x26d4, 1}, {0x26ea, 0x26ea, 1},
		{0x26f2, 0x26f3, 1}, {0x26f5, 0x26f5, 1}, {0x26fa, 0x26fa, 1}, {0x26fd, 0x26fd, 1}, {0x2705, 0x2705, 1},
		{0x270a, 0x270b, 1}, {0x2728, 0x2728, 1}, {0x274c, 0x274c, 1}, {0x274e, 0x274e, 1}, {0x2753, 0x2755, 1},
		{0x2757, 0x2757, 1}, {0x2795, 0x2797, 1}, {0x27b0, 0x27b0, 1}, {0x27bf, 0x27bf, 1}, {0x2b1b, 0x2b1c, 1},
		{0x2b50, 0x2b50, 1}, {0x2b55, 0x2b55, 1}, {0x2e80, 0x303e, 1}, {0x3041, 0xa4cf, 1}, {0xa960, 0xa97f, 1},
		{0xac00, 0xd7a3, 1}, {0xf900, 0xfaff, 1}, {0xfe10, 0xfe19, 1}, {0xfe30, 0xfe6f, 1}, {0xff01, 0xff60, 1},
		{0xffe0, 0xffe6, 1},
	},
	R32: []unicode.Range32{
		{0x16fe0, 0x18dff, 1}, {0x1aff0, 0x1b2ff, 1}, {0x1d300, 0x1d376, 1}, {0x1f004, 0x1f004, 1},
		{0x1f0cf, 0x1f0cf, 1}, {0x1f18e, 0x1f19a, 1}, {0x1f1e6, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1},
		{0x1f7e0, 0x1f7f0, 1}, {0x1f900, 0x1f9ff, 1}, {0x1fa70, 0x1faff, 1}, {0x20000, 0x3fffd, 1},
	},
}

// runeWidth is the number of cells of a printable character. Marks are drawn on
// the character before them.
func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me), r >= 0x1160 && r <= 0x11ff:
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// Cells is the number of cells that a line of printable text takes in a terminal.
func Cells(line string) int { return textWidth([]byte(line)) }

// textWidth is the number of cells of text that AppendControlSafe has made.
func textWidth(text []byte) int {
	n := printable(text)
	cells := n
	for n < len(text) {
		r, size := utf8.DecodeRune(text[n:])
		cells += runeWidth(r)
		n += size
	}
	return cells
}

// head is the longest prefix of at most n cells.
func head(text []byte, n int) []byte {
	i := 0
	for i < len(text) {
		r, size := utf8.DecodeRune(text[i:])
		if n -= runeWidth(r); n < 0 {
			break
		}
		i += size
	}
	return text[:i]
}

// tail is the longest suffix of at most n cells that does not begin with a mark.
func tail(text []byte, n int) []byte {
	best := len(text)
	for i := len(text); i > 0; {
		r, size := utf8.DecodeLastRune(text[:i])
		i -= size
		w := runeWidth(r)
		if n -= w; n < 0 {
			break
		}
		if w > 0 {
			best = i
		}
	}
	return text[best:]
}

const ellipsis = "…"

// AppendFitted appends a line that AppendControlSafe has made, cut at its end where
// it is wider than n cells; 0 cuts nothing.
func AppendFitted(dst, text []byte, n int) []byte {
	if n <= 0 || textWidth(text) <= n {
		return append(dst, text...)
	}
	return appendCut(dst, text, n, EllipsisEnd)
}

// appendCut appends text, which is wider than n cells, cut to n cells at most.
func appendCut(dst, text []byte, n int, where Ellipsis) []byte {
	switch {
	case n <= 0:
		return dst
	case where == EllipsisNone:
		return append(dst, head(text, n)...)
	case where == EllipsisStart:
		return append(append(dst, ellipsis...), tail(text, n-1)...)
	case where == EllipsisMiddle:
		dst = append(append(dst, head(text, n/2)...), ellipsis...)
		return append(dst, tail(text, n-1-n/2)...)
	}
	return append(append(dst, head(text, n-1)...), ellipsis...)
}

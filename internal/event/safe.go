package event

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

// AppendControlSafe appends text of unknown origin in a form that a terminal
// only prints: control bytes, invalid UTF-8 and characters that are invisible or
// change the direction of text become escapes such as \x1b, \n or \u202e. The
// result is one line. Backslashes stay as they are, so the form is for eyes and
// not for reading back.
func AppendControlSafe(dst, text []byte) []byte {
	for {
		n := printable(text)
		dst = append(dst, text[:n]...)
		text = text[n:]
		if len(text) == 0 {
			return dst
		}
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1 || r < utf8.RuneSelf:
			dst = appendControl(dst, text[0])
		case strconv.IsPrint(r):
			dst = append(dst, text[:size]...)
		case r <= 0xffff:
			dst = appendRuneEscape(dst, 'u', r, 4)
		default:
			dst = appendRuneEscape(dst, 'U', r, 8)
		}
		text = text[size:]
	}
}

// AppendTextSafe is AppendControlSafe for text of several lines: newlines and tabs
// stay.
func AppendTextSafe(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && text[end] != '\n' && text[end] != '\t' {
			end++
		}
		dst = AppendControlSafe(dst, text[i:end])
		if end < len(text) {
			dst = append(dst, text[end])
		}
		i = end + 1
	}
	return dst
}

// ControlSafe is AppendTextSafe for messages.
func ControlSafe(text string) string { return string(AppendTextSafe(nil, []byte(text))) }

// AppendQuoted appends text as a JSON string, which is a YAML double quoted
// string too. Invalid UTF-8 becomes U+FFFD; what AppendControlSafe neutralises
// is escaped.
func AppendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	for {
		n := verbatim(text)
		dst = append(dst, text[:n]...)
		text = text[n:]
		if len(text) == 0 {
			return append(dst, '"')
		}
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case strconv.IsPrint(r) || r > 0xffff:
			dst = utf8.AppendRune(dst, r)
		default:
			dst = appendRuneEscape(dst, 'u', r, 4)
		}
		text = text[size:]
	}
}

func appendRuneEscape(dst []byte, letter byte, r rune, digits int) []byte {
	dst = append(dst, '\\', letter)
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[r>>shift&15])
	}
	return dst
}

// Eight bytes are tested at a time: ones*c repeats a byte c, and a lane's high
// bit is set by below when the lane is less than c, for lanes and c under 0x80.
// Lanes above an offending one may be set by the borrow; they are looked at again
// byte by byte, so that does not matter.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

func below(x, c uint64) uint64 { return x - ones*c }

// printable is the length of the longest prefix of printable ASCII.
func printable(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		if (x|below(x, ' ')|(x+ones))&highs != 0 { // high bit, control, 0x7f
			break
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] < 0x7f {
		i++
	}
	return i
}

// verbatim is the length of the longest prefix that a JSON string holds as it is.
func verbatim(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		quote, backslash := below(x^ones*'"', 1), below(x^ones*'\\', 1)
		if (x|below(x, ' ')|(x+ones)|quote|backslash)&highs != 0 {
			break
		}
	}
	for i < len(b) && b[i] >= ' ' && b[i] < 0x7f && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

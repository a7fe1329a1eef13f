// Package filter decides which events a user wants to see.
//
//	expression ─ parser of expr-lang ─► its syntax tree ─ check ─► Node ─ compile ─► Func
//	FIELD OP VALUE[,…] ──────────────────────────────────────────► Node
//
// The language is that of expr-lang, as far as it makes sense for events:
//
//	proc.comm in ["cat", "less"] && !(fname startsWith "/proc")
//	error == "ENOENT" or error_raw == 13
//	latency_raw > duration("1ms") ? true : size_raw >= size("4KiB")
//	cidr(dst.addr, "10.0.0.0/8", "fd00::/8") and dst.port not in 1..1023
//	fname matches "\\.so(\\.[0-9]+)*$" && len(fname) > 8
//
// Fields have their dotted names; a name that is no identifier goes into
// $env["…"]. Types are checked against the event's layout: formatted fields are
// text, their _raw neighbours numbers. A Timestamp, Duration or HumanSize field
// compares by size with a text that can be read as such a value, so latency >
// "1ms" works as it reads.
package filter

import (
	"fmt"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
)

// Func says whether a record passes. It allocates nothing, and it belongs to one
// goroutine, as it keeps buffers.
type Func func(*event.Record) bool

// Compile turns a filter into a Func for the records of one layout. env must be
// that of the encoders, so that texts and times are those that users see; nil
// stands for the zero Env. Errors are of type *Error.
func Compile(source string, l *event.Layout, env *event.Env) (Func, error) {
	n, err := Parse(source, l)
	if err != nil {
		return nil, err
	}
	return n.Compile(env), nil
}

// Parse checks a filter. A source that is no expression, or one with a name that
// is no field nor close to one, is taken in the form of [ParsePeer] when it fits
// that.
func Parse(source string, l *event.Layout) (*Node, error) {
	n, err := parseExpression(source, l)
	if err == nil {
		return n, nil
	}
	if !err.syntax && err.Unknown == "" {
		return nil, err
	}
	n, peerErr := parsePeer(source, l)
	asPeer := "nor can it be read as FIELD OP VALUE[,…]: "
	switch {
	case peerErr == nil && misspelt(source, err):
		err.Also = fmt.Sprintf("for that text, write it in quotes: %q", err.Unknown)
		return nil, err
	case peerErr == nil:
		return n, nil
	case peerErr.syntax && err.syntax:
		err.Message = "this is no expression: " + err.Message
		err.Also = asPeer + peerErr.Message
		return nil, err
	case peerErr.syntax, peerErr.Unknown != "" && peerErr.Unknown == err.Unknown:
		return nil, err
	case err.syntax:
		peerErr.Also = "nor is it an expression: " + err.Message
		return nil, peerErr
	}
	err.Also = asPeer + peerErr.Message
	return nil, err
}

// misspelt reports whether an unknown name, which could be the text of FIELD OP
// VALUE, is rather a field with a typing error: it is close to one, and the
// spacing is that of an expression.
func misspelt(source string, err *Error) bool {
	return err.Unknown != "" && err.near && strings.Contains(source, " "+err.Unknown)
}

package filter

import (
	"net/netip"
	"regexp"

	"github.com/gadget-bpf/gadget/internal/event"
)

// Type is what a Node's value is.
type Type uint8

// Types. Integers are Int but for fields of 64 unsigned bits, which are Uint.
const (
	Bool Type = iota + 1
	Int
	Uint
	Float
	Text
	// List is an array field, good for len, in and [index].
	List
)

// String is the word for the type in messages.
func (t Type) String() string {
	switch t {
	case Bool:
		return "a condition"
	case Int, Uint, Float:
		return "a number"
	case Text:
		return "text"
	}
	return "a list"
}

func (t Type) number() bool { return t == Int || t == Uint || t == Float }

// Op says what a Node does with its Args.
type Op uint8

// Operations. Where nothing is said, Args are of the type of the Node.
const (
	// Const is a literal: Node.Int (0 or 1 for Bool), Uint, Float or Text.
	Const Op = iota + 1
	// Field reads Node.Field.
	Field

	Not // Bool
	And
	Or
	// If is Args[1] when the Bool Args[0] holds, else Args[2].
	If

	// Comparisons are Bool; both Args have one type.
	Eq
	Ne
	Lt
	Le
	Gt
	Ge
	// In is Bool: Args[0], a Text, equals one of the others.
	In
	// InArray is Bool: Args[0], a number, equals one of Node.Elements.
	InArray

	// Text tests are Bool, both Args are Text.
	Contains
	HasPrefix
	HasSuffix
	// Matches is Bool: the Text Args[0] matches Node.Regexp.
	Matches
	// CIDR is Bool: the address of Node.Field lies in one of Node.Prefixes.
	CIDR

	// Arithmetic on Int wraps around; a remainder of a division by 0 is 0.
	Add
	Sub
	Mul
	Div // Float only
	Mod // Int only
	Pow // Float only
	Neg

	// Conversions. A Uint that does not fit in an Int becomes the greatest Int.
	ToInt
	ToUint
	ToFloat

	// Len is the Int number of characters of a Text.
	Len
	Lower
	Upper
)

// Node is a part of a checked filter. The tree is what closures are made of, and
// what can be lowered to other machines: all names are resolved, all types are
// known and agree, and constants are folded. Nodes may be shared, they are never
// changed.
type Node struct {
	Op   Op
	Type Type
	Args []*Node

	Field *event.Field

	// Values of a Const.
	Int   int64
	Uint  uint64
	Float float64
	Text  string

	Regexp   *regexp.Regexp
	Prefixes []netip.Prefix
	Elements []*event.Field

	// Pos is where the node lies in the source.
	Pos Span
}

// Span is a part of a source in characters, From inclusive, To exclusive.
type Span struct{ From, To int }

func truth(v bool, pos Span) *Node {
	n := &Node{Op: Const, Type: Bool, Pos: pos}
	if v {
		n.Int = 1
	}
	return n
}

func integer(v int64, pos Span) *Node { return &Node{Op: Const, Type: Int, Int: v, Pos: pos} }

func text(v string, pos Span) *Node { return &Node{Op: Const, Type: Text, Text: v, Pos: pos} }

// fold is n, or its value when all its Args are constants.
func fold(n *Node) *Node {
	if n.Op == Const || len(n.Args) == 0 {
		return n
	}
	for _, a := range n.Args {
		if a.Op != Const {
			return n
		}
	}
	c := compiler{text: event.NewFormatter(nil)}
	v := &Node{Op: Const, Type: n.Type, Pos: n.Pos}
	switch rec := new(event.Record); n.Type {
	case Bool:
		return truth(c.bool(n)(rec), n.Pos)
	case Int:
		v.Int = c.int(n)(rec)
	case Uint:
		v.Uint = c.uint(n)(rec)
	case Float:
		v.Float = c.float(n)(rec)
	case Text:
		v.Text = string(c.bytes(n)(rec))
	default:
		return n
	}
	return v
}

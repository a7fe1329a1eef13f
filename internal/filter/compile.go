package filter

import (
	"bytes"
	"cmp"
	"math"
	"net/netip"
	"slices"
	"unicode"
	"unicode/utf8"

	"github.com/gadget-bpf/gadget/internal/event"
)

// Compile makes closures of a condition. See the package function Compile.
func (n *Node) Compile(env *event.Env) Func {
	if env == nil {
		env = &event.Env{}
	}
	c := &compiler{env: env, text: event.NewFormatter(env)}
	return c.bool(n)
}

// compiler lowers each type of node to a closure of its own, so that evaluation
// neither boxes values nor looks at types.
type compiler struct {
	env  *event.Env
	text *event.Formatter
}

// getter reads a value of a record.
type getter[T any] func(*event.Record) T

func constant[T any](v T) getter[T] { return func(*event.Record) T { return v } }

func choose[T any](cond Func, a, b getter[T]) getter[T] {
	return func(r *event.Record) T {
		if cond(r) {
			return a(r)
		}
		return b(r)
	}
}

func (c *compiler) bool(n *Node) Func {
	switch n.Op {
	case Const:
		v := n.Int != 0
		return func(*event.Record) bool { return v }
	case Field:
		return n.Field.Bool
	case Not:
		a := c.bool(n.Args[0])
		return func(r *event.Record) bool { return !a(r) }
	case And:
		a, b := c.bool(n.Args[0]), c.bool(n.Args[1])
		return func(r *event.Record) bool { return a(r) && b(r) }
	case Or:
		a, b := c.bool(n.Args[0]), c.bool(n.Args[1])
		return func(r *event.Record) bool { return a(r) || b(r) }
	case If:
		return Func(choose(c.bool(n.Args[0]), getter[bool](c.bool(n.Args[1])), getter[bool](c.bool(n.Args[2]))))
	case In:
		return c.in(n)
	case InArray:
		return c.inArray(n)
	case Matches:
		s, re := c.bytes(n.Args[0]), n.Regexp
		return func(r *event.Record) bool { return re.Match(s(r)) }
	case CIDR:
		f, networks := n.Field, n.Prefixes
		return func(r *event.Record) bool {
			addr := f.Addr(r)
			return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(addr) })
		}
	case Contains, HasPrefix, HasSuffix:
		test := map[Op]func(b, part []byte) bool{Contains: bytes.Contains, HasPrefix: bytes.HasPrefix, HasSuffix: bytes.HasSuffix}[n.Op]
		a, b := c.bytes(n.Args[0]), c.bytes(n.Args[1])
		return func(r *event.Record) bool { return test(a(r), b(r)) }
	}
	return c.comparison(n)
}

func (c *compiler) comparison(n *Node) Func {
	a, b := n.Args[0], n.Args[1]
	switch a.Type {
	case Int:
		return compare(n.Op, c.int(a), c.int(b), b.Op == Const)
	case Uint:
		return compare(n.Op, c.uint(a), c.uint(b), b.Op == Const)
	case Float:
		return compare(n.Op, c.float(a), c.float(b), b.Op == Const)
	case Bool:
		x, y, want := c.bool(a), c.bool(b), n.Op == Eq
		return func(r *event.Record) bool { return (x(r) == y(r)) == want }
	}
	x, y := c.bytes(a), c.bytes(b)
	switch n.Op {
	case Eq:
		return func(r *event.Record) bool { return bytes.Equal(x(r), y(r)) }
	case Ne:
		return func(r *event.Record) bool { return !bytes.Equal(x(r), y(r)) }
	}
	order := func(r *event.Record) int { return bytes.Compare(x(r), y(r)) }
	return compare(n.Op, order, constant(0), true)
}

// compare has a shorter way for the usual comparison with a constant.
func compare[T cmp.Ordered](op Op, a, b func(*event.Record) T, isConst bool) Func {
	if isConst {
		return compareConst(op, a, b(nil))
	}
	switch op {
	case Eq:
		return func(r *event.Record) bool { return a(r) == b(r) }
	case Ne:
		return func(r *event.Record) bool { return a(r) != b(r) }
	case Lt:
		return func(r *event.Record) bool { return a(r) < b(r) }
	case Le:
		return func(r *event.Record) bool { return a(r) <= b(r) }
	case Gt:
		return func(r *event.Record) bool { return a(r) > b(r) }
	}
	return func(r *event.Record) bool { return a(r) >= b(r) }
}

func compareConst[T cmp.Ordered](op Op, a func(*event.Record) T, v T) Func {
	switch op {
	case Eq:
		return func(r *event.Record) bool { return a(r) == v }
	case Ne:
		return func(r *event.Record) bool { return a(r) != v }
	case Lt:
		return func(r *event.Record) bool { return a(r) < v }
	case Le:
		return func(r *event.Record) bool { return a(r) <= v }
	case Gt:
		return func(r *event.Record) bool { return a(r) > v }
	}
	return func(r *event.Record) bool { return a(r) >= v }
}

// in has all elements constant, see checker.inList.
func (c *compiler) in(n *Node) Func {
	s := c.bytes(n.Args[0])
	set := make(map[string]bool, len(n.Args)-1)
	for _, e := range n.Args[1:] {
		set[e.Text] = true
	}
	return func(r *event.Record) bool { return set[string(s(r))] }
}

func (c *compiler) inArray(n *Node) Func {
	needle := n.Args[0]
	switch needle.Type {
	case Float:
		return contains(c.float(needle), n.Elements, func(e *event.Field) getter[float64] {
			return c.float(&Node{Op: ToFloat, Type: Float, Args: []*Node{{Op: Field, Type: typeOf(e), Field: e}}})
		})
	case Uint:
		return contains(c.uint(needle), n.Elements, func(e *event.Field) getter[uint64] { return e.Uint })
	}
	return contains(c.int(needle), n.Elements, func(e *event.Field) getter[int64] {
		return c.int(&Node{Op: ToInt, Type: Int, Args: []*Node{{Op: Field, Type: typeOf(e), Field: e}}})
	})
}

func contains[T comparable](needle getter[T], elements []*event.Field, read func(*event.Field) getter[T]) Func {
	values := make([]getter[T], len(elements))
	for i, e := range elements {
		values[i] = read(e)
	}
	return func(r *event.Record) bool {
		v := needle(r)
		return slices.ContainsFunc(values, func(get getter[T]) bool { return get(r) == v })
	}
}

func (c *compiler) int(n *Node) getter[int64] {
	switch n.Op {
	case Const:
		return constant(n.Int)
	case Field:
		if f, env := n.Field, c.env; f.Kind == event.WallTime {
			return func(r *event.Record) int64 { return env.Wall(f.Uint(r)) }
		}
		return n.Field.Int
	case If:
		return choose(c.bool(n.Args[0]), c.int(n.Args[1]), c.int(n.Args[2]))
	case Len:
		s := c.bytes(n.Args[0])
		return func(r *event.Record) int64 { return int64(utf8.RuneCount(s(r))) }
	case ToInt:
		return c.toInt(n.Args[0])
	}
	a := c.int(n.Args[0])
	if n.Op == Neg {
		return func(r *event.Record) int64 { return -a(r) }
	}
	b := c.int(n.Args[1])
	switch n.Op {
	case Add:
		return func(r *event.Record) int64 { return a(r) + b(r) }
	case Sub:
		return func(r *event.Record) int64 { return a(r) - b(r) }
	case Mul:
		return func(r *event.Record) int64 { return a(r) * b(r) }
	}
	return func(r *event.Record) int64 { // Mod
		v := b(r)
		if v == 0 {
			return 0
		}
		return a(r) % v
	}
}

func (c *compiler) toInt(n *Node) getter[int64] {
	switch n.Type {
	case Uint:
		v := c.uint(n)
		return func(r *event.Record) int64 { return saturate(v(r)) }
	}
	return c.int(n)
}

func (c *compiler) uint(n *Node) getter[uint64] {
	switch n.Op {
	case Const:
		return constant(n.Uint)
	case Field:
		return n.Field.Uint
	case If:
		return choose(c.bool(n.Args[0]), c.uint(n.Args[1]), c.uint(n.Args[2]))
	}
	v := c.int(n.Args[0]) // ToUint, of an Int that is not negative
	return func(r *event.Record) uint64 { return uint64(v(r)) }
}

func (c *compiler) float(n *Node) getter[float64] {
	switch n.Op {
	case Const:
		return constant(n.Float)
	case Field:
		return n.Field.Float
	case If:
		return choose(c.bool(n.Args[0]), c.float(n.Args[1]), c.float(n.Args[2]))
	case ToFloat:
		return c.toFloat(n.Args[0])
	}
	a := c.float(n.Args[0])
	if n.Op == Neg {
		return func(r *event.Record) float64 { return -a(r) }
	}
	b := c.float(n.Args[1])
	switch n.Op {
	case Add:
		return func(r *event.Record) float64 { return a(r) + b(r) }
	case Sub:
		return func(r *event.Record) float64 { return a(r) - b(r) }
	case Mul:
		return func(r *event.Record) float64 { return a(r) * b(r) }
	case Div:
		return func(r *event.Record) float64 { return a(r) / b(r) }
	}
	return func(r *event.Record) float64 { return math.Pow(a(r), b(r)) }
}

func (c *compiler) toFloat(n *Node) getter[float64] {
	switch n.Type {
	case Int:
		v := c.int(n)
		return func(r *event.Record) float64 { return float64(v(r)) }
	case Uint:
		v := c.uint(n)
		return func(r *event.Record) float64 { return float64(v(r)) }
	}
	return c.float(n)
}

// bytes reads a text: a view on the record where there is one, else a buffer of
// this closure's own.
func (c *compiler) bytes(n *Node) getter[[]byte] {
	switch n.Op {
	case Const:
		return constant([]byte(n.Text))
	case If:
		return choose(c.bool(n.Args[0]), c.bytes(n.Args[1]), c.bytes(n.Args[2]))
	case Lower:
		return mapped(c.bytes(n.Args[0]), unicode.ToLower)
	case Upper:
		return mapped(c.bytes(n.Args[0]), unicode.ToUpper)
	}
	f := n.Field
	switch f.Kind {
	case event.CString, event.RestString, event.Added:
		return f.Bytes
	}
	var buf []byte
	return func(r *event.Record) []byte {
		buf = c.text.Append(buf[:0], f, r)
		return buf
	}
}

func mapped(s getter[[]byte], f func(rune) rune) getter[[]byte] {
	var buf []byte
	return func(r *event.Record) []byte {
		buf = buf[:0]
		for text := s(r); len(text) > 0; {
			c, size := utf8.DecodeRune(text)
			if c == utf8.RuneError && size == 1 {
				buf = append(buf, text[0])
			} else {
				buf = utf8.AppendRune(buf, f(c))
			}
			text = text[size:]
		}
		return buf
	}
}

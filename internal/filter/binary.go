package filter

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"github.com/gadget-bpf/gadget/internal/event"
)

func (c *checker) binary(t *ast.BinaryNode, pos Span) *Node {
	switch t.Operator {
	case "&&", "and":
		return c.junction(And, t, pos)
	case "||", "or":
		return c.junction(Or, t, pos)
	case "==", "!=", "<", "<=", ">", ">=":
		op := map[string]Op{"==": Eq, "!=": Ne, "<": Lt, "<=": Le, ">": Gt, ">=": Ge}[t.Operator]
		return c.compare(op, c.node(t.Left), c.node(t.Right), pos)
	case "in":
		return c.in(t, pos)
	case "contains", "startsWith", "endsWith":
		op := map[string]Op{"contains": Contains, "startsWith": HasPrefix, "endsWith": HasSuffix}[t.Operator]
		return fold(&Node{Op: op, Type: Bool, Args: []*Node{c.text(t.Left), c.text(t.Right)}, Pos: pos})
	case "matches":
		pattern := c.node(t.Right)
		if pattern.Op != Const || pattern.Type != Text {
			c.fail(pattern.Pos, "the pattern of matches is a literal text")
		}
		return c.matches(c.text(t.Left), pattern, pos)
	case "+", "-", "*", "%", "/", "**", "^":
		return c.arithmetic(t, pos)
	}
	c.fail(pos, "a filter has no operator %s here", t.Operator)
	return nil
}

func (c *checker) junction(op Op, t *ast.BinaryNode, pos Span) *Node {
	return fold(&Node{Op: op, Type: Bool, Args: []*Node{c.condition(t.Left), c.condition(t.Right)}, Pos: pos})
}

func (c *checker) arithmetic(t *ast.BinaryNode, pos Span) *Node {
	a, b := c.unify(c.number(t.Left), c.number(t.Right))
	op := map[string]Op{"+": Add, "-": Sub, "*": Mul, "%": Mod, "/": Div, "**": Pow, "^": Pow}[t.Operator]
	switch {
	case op == Mod && a.Type == Float:
		c.fail(pos, "%% works on whole numbers")
	case op == Div || op == Pow:
		a, b = c.convert(a, Float), c.convert(b, Float)
	case a.Type == Uint:
		a, b = c.convert(a, Int), c.convert(b, Int)
	}
	return fold(&Node{Op: op, Type: a.Type, Args: []*Node{a, b}, Pos: pos})
}

// compare makes a comparison of two values of one type, or of numbers of any.
func (c *checker) compare(op Op, a, b *Node, pos Span) *Node {
	if n := c.compareFormatted(op, a, b, pos); n != nil {
		return n
	}
	switch {
	case a.Type == List || b.Type == List:
		c.fail(pos, "a list cannot be compared; use in, len() or [index]")
	case a.Type == Bool && b.Type == Bool && op != Eq && op != Ne:
		c.fail(pos, "conditions can be equal or not, neither is greater")
	case a.Type.number() && b.Type.number():
		return c.compareNumbers(op, a, b, pos)
	case a.Type != b.Type:
		hint := c.rawHint(a)
		if b.Op == Field {
			hint = c.rawHint(b)
		}
		if hint == "" && (a.Op == Const || b.Op == Const) {
			hint = "; text goes into quotes, numbers do not"
		}
		c.fail(pos, "%s is %s but %s is %s%s", c.quote(a), a.Type, c.quote(b), b.Type, hint)
	}
	return fold(&Node{Op: op, Type: Bool, Args: []*Node{a, b}, Pos: pos})
}

var mirrored = map[Op]Op{Eq: Eq, Ne: Ne, Lt: Gt, Le: Ge, Gt: Lt, Ge: Le}

func (c *checker) compareNumbers(op Op, a, b *Node, pos Span) *Node {
	comparison := func(op Op, a, b *Node) *Node {
		return fold(&Node{Op: op, Type: Bool, Args: []*Node{a, b}, Pos: pos})
	}
	switch {
	case a.Type == b.Type:
		return comparison(op, a, b)
	case a.Type == Float || b.Type == Float:
		return comparison(op, c.convert(a, Float), c.convert(b, Float))
	case a.Type == Uint:
		a, b, op = b, a, mirrored[op]
	}
	// An Int and a Uint: a negative Int is less than any Uint, others convert.
	unsigned := comparison(op, c.convert(a, Uint), b)
	if a.Op == Const && a.Int >= 0 {
		return unsigned
	}
	zero := integer(0, pos)
	if op == Ne || op == Lt || op == Le {
		return fold(&Node{Op: Or, Type: Bool, Args: []*Node{comparison(Lt, a, zero), unsigned}, Pos: pos})
	}
	return fold(&Node{Op: And, Type: Bool, Args: []*Node{comparison(Ge, a, zero), unsigned}, Pos: pos})
}

// compareFormatted compares a Timestamp, Duration, CPUTime or HumanSize field with a
// literal by what they mean: as texts, 9ms were greater than 10ms. It is nil when
// the operands are something else.
func (c *checker) compareFormatted(op Op, a, b *Node, pos Span) *Node {
	if a.Op == Const && b.Op == Field {
		a, b, op = b, a, mirrored[op]
	}
	if a.Op != Field || b.Op != Const || b.Type != Text {
		return nil
	}
	number := *a.Field
	var value *Node
	var err error
	switch a.Field.Kind {
	case event.Timestamp:
		number.Kind = event.WallTime
		value, err = timeLiteral(b.Text, b.Pos)
	case event.Duration, event.CPUTime:
		number.Kind = event.Uint64
		value, err = durationLiteral(b.Text, b.Pos)
	case event.HumanSize:
		number.Kind = event.Uint64
		value, err = sizeLiteral(b.Text, b.Pos)
	default:
		return nil
	}
	if op == Eq || op == Ne {
		if err != nil || a.Field.Kind != event.Timestamp || a.Field.Format != "" {
			return nil // durations, sizes, most formats of time are rounded in text: equal means the text
		}
	}
	if err != nil {
		c.fail(b.Pos, "%s cannot be compared with %s: %v", a.Field.Name, strconv.Quote(b.Text), err)
	}
	return c.compareNumbers(op, &Node{Op: Field, Field: &number, Type: typeOf(&number), Pos: a.Pos}, value, pos)
}

func timeLiteral(s string, pos Span) (*Node, error) {
	var t time.Time
	var err error
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
		if t, err = time.Parse(layout, s); err == nil {
			return integer(t.UnixNano(), pos), nil
		}
	}
	return nil, badLiteral("a time such as 2026-01-31T15:04:05Z")
}

func durationLiteral(s string, pos Span) (*Node, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return nil, badLiteral("a duration such as 1ms or 2.5s")
	}
	return integer(int64(d), pos), nil
}

// sizeLiteral reads 82 kB, 4KiB, 1.5 GB or 100.
func sizeLiteral(s string, pos Span) (*Node, error) {
	bad := badLiteral("a size such as 4KiB or 1.5 MB")
	digits := strings.TrimRight(s, "BKMGTPEikmgtpeb ")
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(v >= 0) {
		return nil, bad
	}
	unit := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(s[len(digits):])), "b")
	base := 1000.0
	if strings.HasSuffix(unit, "i") {
		base, unit = 1024, strings.TrimSuffix(unit, "i")
		if unit == "" {
			return nil, bad
		}
	}
	if len(unit) > 1 {
		return nil, bad
	}
	if unit != "" {
		for range strings.Index("kmgtpe", unit) + 1 {
			v *= base
		}
	}
	if v >= 1<<63 {
		return nil, bad
	}
	return integer(int64(v), pos), nil
}

type badLiteral string

func (b badLiteral) Error() string { return "it is not " + string(b) }

// in is membership in a list of values, in a range, or in an array field.
func (c *checker) in(t *ast.BinaryNode, pos Span) *Node {
	needle := c.node(t.Left)
	switch list := t.Right.(type) {
	case *ast.ArrayNode:
		elements := make([]*Node, len(list.Nodes))
		for i, e := range list.Nodes {
			elements[i] = c.node(e)
		}
		return c.inList(needle, elements, pos)
	case *ast.BinaryNode:
		if list.Operator == ".." {
			from, to := c.number(list.Left), c.number(list.Right)
			lower, upper := c.compare(Ge, needle, from, pos), c.compare(Le, needle, to, pos)
			return fold(&Node{Op: And, Type: Bool, Args: []*Node{lower, upper}, Pos: pos})
		}
	}
	array := c.node(t.Right)
	if array.Type != List {
		c.fail(array.Pos, "in needs a list such as [1, 2], a range such as 1..9 or an array field, not %s", array.Type)
	}
	n := &Node{Op: InArray, Type: Bool, Args: []*Node{needle}, Pos: pos}
	for i := range array.Field.Count {
		n.Elements = append(n.Elements, array.Field.Element(i))
	}
	if len(n.Elements) == 0 {
		return truth(false, pos)
	}
	element := typeOf(n.Elements[0])
	if !needle.Type.number() || !element.number() {
		c.fail(pos, "%s is %s, the elements of %s are %s; only numbers are looked up", c.quote(needle), needle.Type, array.Field.Name, element)
	}
	if needle.Type != element { // Uint and Int meet as Int, anything and Float as Float
		to := Int
		if needle.Type == Float || element == Float {
			to = Float
		}
		n.Args[0] = c.convert(needle, to)
	}
	return n
}

func (c *checker) inList(needle *Node, elements []*Node, pos Span) *Node {
	isText := func(n *Node) bool { return n.Type == Text && n.Op == Const }
	if needle.Type == Text && !slices.ContainsFunc(elements, func(n *Node) bool { return !isText(n) }) {
		return fold(&Node{Op: In, Type: Bool, Args: append([]*Node{needle}, elements...), Pos: pos})
	}
	result := truth(false, pos)
	for i, e := range elements {
		equal := c.compare(Eq, needle, e, e.Pos)
		if i == 0 {
			result = equal
			continue
		}
		result = fold(&Node{Op: Or, Type: Bool, Args: []*Node{result, equal}, Pos: pos})
	}
	return result
}

func (c *checker) matches(subject, pattern *Node, pos Span) *Node {
	if c.regexps++; c.regexps > maxRegexps {
		c.fail(pos, "the filter has more than %d patterns", maxRegexps)
	}
	if len(pattern.Text) > maxRegexp {
		c.fail(pattern.Pos, "the pattern is longer than %d bytes", maxRegexp)
	}
	re, err := regexp.Compile(pattern.Text)
	if err != nil {
		c.fail(pattern.Pos, "bad pattern: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return fold(&Node{Op: Matches, Type: Bool, Args: []*Node{subject}, Regexp: re, Pos: pos})
}

const functionNames = "cidr, duration, int, len, lower, size, upper"

func (c *checker) call(name string, args []ast.Node, pos Span) *Node {
	if name == "cidr" {
		return c.cidr(args, pos)
	}
	if !slices.Contains(strings.Split(functionNames, ", "), name) {
		c.fail(pos, "there is no function %s(); there are %s", name, functionNames)
	}
	if len(args) != 1 {
		c.fail(pos, "%s() takes one argument", name)
	}
	switch name {
	case "len":
		n := c.node(args[0])
		if n.Type == List {
			return integer(int64(n.Field.Count), pos)
		}
		if n.Type != Text {
			c.fail(n.Pos, "%s is %s; len() takes text or an array field", c.quote(n), n.Type)
		}
		return fold(&Node{Op: Len, Type: Int, Args: []*Node{n}, Pos: pos})
	case "lower":
		return fold(&Node{Op: Lower, Type: Text, Args: []*Node{c.text(args[0])}, Pos: pos})
	case "upper":
		return fold(&Node{Op: Upper, Type: Text, Args: []*Node{c.text(args[0])}, Pos: pos})
	}
	return c.literal(name, args[0], pos)
}

// literal is a number written as text: duration("1ms"), size("4KiB"), and
// int("0xffffffff81000000") for numbers that need all 64 bits.
func (c *checker) literal(name string, arg ast.Node, pos Span) *Node {
	s := c.text(arg)
	if s.Op != Const {
		c.fail(s.Pos, "%s() takes a literal text", name)
	}
	var n *Node
	var err error
	switch name {
	case "duration":
		n, err = durationLiteral(s.Text, pos)
	case "size":
		n, err = sizeLiteral(s.Text, pos)
	default:
		n, err = intLiteral(s.Text, pos)
	}
	if err != nil {
		c.fail(s.Pos, "%s is wrong: %v", strconv.Quote(s.Text), err)
	}
	return n
}

func intLiteral(s string, pos Span) (*Node, error) {
	if v, err := strconv.ParseInt(s, 0, 64); err == nil {
		return integer(v, pos), nil
	}
	v, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		return nil, badLiteral("a whole number of 64 bits")
	}
	return &Node{Op: Const, Type: Uint, Uint: v, Pos: pos}, nil
}

func floatLiteral(s string, pos Span) (*Node, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, badLiteral("a number")
	}
	return &Node{Op: Const, Type: Float, Float: v, Pos: pos}, nil
}

func (c *checker) cidr(args []ast.Node, pos Span) *Node {
	if len(args) < 2 {
		c.fail(pos, `cidr() takes an address field and networks: cidr(dst.addr, "10.0.0.0/8")`)
	}
	field := c.node(args[0])
	if field.Op != Field || !hasAddr(field.Field) {
		c.fail(field.Pos, "%s is no address field", c.quote(field))
	}
	n := &Node{Op: CIDR, Type: Bool, Field: field.Field, Pos: pos}
	for _, arg := range args[1:] {
		s := c.text(arg)
		prefix, err := netip.ParsePrefix(s.Text)
		if s.Op != Const || err != nil {
			c.fail(s.Pos, `%s is no network such as "10.0.0.0/8" or "fd00::/8"`, c.quote(s))
		}
		n.Prefixes = append(n.Prefixes, prefix.Masked())
	}
	return n
}

func hasAddr(f *event.Field) bool {
	switch f.Kind {
	case event.L3Addr, event.L4Addr, event.L4Endpoint:
		return true
	}
	return false
}

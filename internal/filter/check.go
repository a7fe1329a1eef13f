package filter

import (
	"fmt"
	"math"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/schemas"
)

// Limits of a filter. They are far above what anybody writes by hand.
const (
	maxSource   = 16 << 10 // bytes
	maxNodes    = 2000
	maxDepth    = 200
	maxRegexps  = 32
	maxRegexp   = 1 << 10 // bytes of one pattern
	maxElements = 4096    // of an array field
)

// checker turns a syntax tree into Nodes. Its methods panic with *Error, which
// parseExpression and parsePeer catch: every one of them can find a mistake, and
// the first one is what the user gets.
type checker struct {
	source  string
	layout  *event.Layout
	depth   int
	regexps int
}

func (c *checker) fail(pos Span, format string, args ...any) {
	panic(&Error{Source: c.source, Pos: pos, Message: fmt.Sprintf(format, args...)})
}

// catch ends a parse that failed.
func catch(err **Error) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		*err = r
	default:
		panic(r)
	}
}

func parseExpression(source string, l *event.Layout) (n *Node, err *Error) {
	if len(source) > maxSource {
		return nil, &Error{Message: fmt.Sprintf("the filter is longer than %d bytes", maxSource)}
	}
	tree, err := parse(source)
	if err != nil {
		return nil, err
	}
	defer catch(&err)
	c := &checker{source: source, layout: l}
	return c.condition(tree), nil
}

// parse calls the parser, which is not ours: a panic there is an error here.
func parse(source string) (tree ast.Node, err *Error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Source: source, Message: "the parser gives up", syntax: true}
		}
	}()
	t, parseErr := parser.ParseWithConfig(source, &conf.Config{MaxNodes: maxNodes, DisableIfOperator: true})
	if parseErr == nil {
		return t.Node, nil
	}
	err = &Error{Source: source, Message: parseErr.Error(), syntax: true}
	if at, ok := parseErr.(*file.Error); ok {
		err.Pos = Span(at.Location)
		err.Message = plain(at.Message)
	}
	return nil, err
}

// plain puts the parser's messages in the words of a user.
func plain(message string) string {
	if message == "unexpected token EOF" {
		return "it ends too early"
	}
	message = strings.TrimPrefix(message, "compilation failed: ")
	if token, ok := strings.CutPrefix(message, "unexpected token "); ok {
		_, token, ok = strings.Cut(strings.TrimSuffix(token, ")"), "(")
		if ok {
			return "unexpected " + token
		}
	}
	return message
}

func (c *checker) condition(t ast.Node) *Node {
	n := c.node(t)
	if n.Type != Bool {
		c.fail(n.Pos, "%s is %s, not a condition; compare it with something", c.quote(n), n.Type)
	}
	return n
}

// quote is the source of a node, for messages.
func (c *checker) quote(n *Node) string {
	runes := []rune(c.source)
	from := min(max(n.Pos.From, 0), len(runes))
	to := min(max(n.Pos.To, from), len(runes))
	return event.ControlSafe(string(runes[from:to]))
}

func (c *checker) node(t ast.Node) *Node {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > maxDepth {
		c.fail(position(t), "the filter is nested deeper than %d levels", maxDepth)
	}
	pos := position(t)
	switch t := t.(type) {
	case *ast.BoolNode:
		return truth(t.Value, pos)
	case *ast.IntegerNode:
		return integer(int64(t.Value), pos)
	case *ast.FloatNode:
		return &Node{Op: Const, Type: Float, Float: t.Value, Pos: pos}
	case *ast.StringNode:
		return text(t.Value, pos)
	case *ast.IdentifierNode, *ast.MemberNode:
		return c.field(t)
	case *ast.UnaryNode:
		return c.unary(t, pos)
	case *ast.BinaryNode:
		return c.binary(t, pos)
	case *ast.ConditionalNode:
		return c.conditional(t, pos)
	case *ast.BuiltinNode:
		return c.call(t.Name, t.Arguments, pos)
	case *ast.CallNode:
		if name, ok := t.Callee.(*ast.IdentifierNode); ok {
			return c.call(name.Value, t.Arguments, pos)
		}
	}
	c.fail(pos, "a filter cannot do this; it knows fields, literals, comparisons, and or not, in, contains, "+
		"startsWith, endsWith, matches, arithmetic, ?: and the functions %s", functionNames)
	return nil
}

// position is the extent of a tree in the source. The parser gives that of the
// token in the middle: the operator, the last member.
func position(t ast.Node) Span {
	pos := Span(t.Location())
	var parts []ast.Node
	switch t := t.(type) {
	case *ast.MemberNode:
		parts = []ast.Node{t.Node, t.Property}
	case *ast.BinaryNode:
		parts = []ast.Node{t.Left, t.Right}
	case *ast.UnaryNode:
		parts = []ast.Node{t.Node}
	case *ast.CallNode:
		parts = t.Arguments
	case *ast.BuiltinNode:
		parts = t.Arguments
	case *ast.ConditionalNode:
		pos = position(t.Cond)
		parts = []ast.Node{t.Exp1, t.Exp2}
	}
	for _, p := range parts {
		inner := position(p)
		pos.From, pos.To = min(pos.From, inner.From), max(pos.To, inner.To)
	}
	return pos
}

// field resolves a name, or an element of an array.
func (c *checker) field(t ast.Node) *Node {
	pos := position(t)
	if m, ok := t.(*ast.MemberNode); ok {
		if i, ok := m.Property.(*ast.IntegerNode); ok {
			return c.element(c.field(m.Node), i.Value, pos)
		}
	}
	name, ok := fieldName(t)
	if !ok {
		c.fail(pos, "this is no name of a field")
	}
	return c.lookup(name, pos)
}

// fieldName is the dotted name that members of identifiers spell.
func fieldName(t ast.Node) (string, bool) {
	switch t := t.(type) {
	case *ast.IdentifierNode:
		return t.Value, true
	case *ast.MemberNode:
		property, ok := t.Property.(*ast.StringNode)
		if !ok || t.Method {
			return "", false
		}
		if id, ok := t.Node.(*ast.IdentifierNode); ok && id.Value == "$env" {
			return property.Value, true
		}
		parent, ok := fieldName(t.Node)
		return parent + "." + property.Value, ok
	}
	return "", false
}

func (c *checker) lookup(name string, pos Span) *Node {
	f := c.layout.Field(name)
	if f == nil || f.Class() == event.None {
		c.unknown(name, pos)
	}
	n := &Node{Op: Field, Field: f, Type: typeOf(f), Pos: pos}
	if n.Type == List && f.Count > maxElements {
		c.fail(pos, "field %q is too long for a filter: %d elements", name, f.Count)
	}
	return n
}

func (c *checker) unknown(name string, pos Span) {
	var names, members []string
	for i := range c.layout.Fields {
		f := &c.layout.Fields[i]
		if f.Class() == event.None {
			continue
		}
		names = append(names, f.Name)
		if strings.HasPrefix(f.Name, name+".") {
			members = append(members, f.Name)
		}
	}
	message := fmt.Sprintf("unknown field %q", name)
	hint := schemas.DidYouMean(name, names)
	if hint != "" {
		message += ": " + hint
	} else if len(members) > 0 {
		message = fmt.Sprintf("%q has no value of its own; its members are %s", name, strings.Join(members, ", "))
	} else {
		message += "; text goes into quotes, and gadget run IMAGE --help lists the fields"
	}
	panic(&Error{Source: c.source, Pos: pos, Message: message, Unknown: name, near: hint != ""})
}

func typeOf(f *event.Field) Type {
	if f.Count > 0 {
		return List
	}
	switch f.Class() {
	case event.Boolean:
		return Bool
	case event.Signed:
		return Int
	case event.Unsigned:
		if f.Kind == event.Uint64 {
			return Uint
		}
		return Int // 32 bits fit
	case event.Floating:
		return Float
	}
	return Text
}

func (c *checker) element(n *Node, i int, pos Span) *Node {
	if n.Type != List {
		c.fail(pos, "%s is no list", c.quote(n))
	}
	f := n.Field.Element(i)
	if f == nil {
		c.fail(pos, "%s has elements 0 to %d", n.Field.Name, n.Field.Count-1)
	}
	return &Node{Op: Field, Field: f, Type: typeOf(f), Pos: pos}
}

func (c *checker) unary(t *ast.UnaryNode, pos Span) *Node {
	switch t.Operator {
	case "!", "not":
		return fold(&Node{Op: Not, Type: Bool, Args: []*Node{c.condition(t.Node)}, Pos: pos})
	case "+":
		return c.number(t.Node)
	}
	n := c.number(t.Node)
	if n.Type == Uint {
		n = c.convert(n, Int)
	}
	return fold(&Node{Op: Neg, Type: n.Type, Args: []*Node{n}, Pos: pos})
}

func (c *checker) number(t ast.Node) *Node {
	n := c.node(t)
	if !n.Type.number() {
		c.fail(n.Pos, "%s is %s, not a number%s", c.quote(n), n.Type, c.rawHint(n))
	}
	return n
}

func (c *checker) text(t ast.Node) *Node {
	n := c.node(t)
	if n.Type != Text {
		c.fail(n.Pos, "%s is %s, not text", c.quote(n), n.Type)
	}
	return n
}

// rawHint points from a formatted field to the number it is made of.
func (c *checker) rawHint(n *Node) string {
	if n.Op == Field {
		if raw := c.layout.Field(n.Field.Name + "_raw"); raw != nil {
			return fmt.Sprintf("; the number is %s", raw.Name)
		}
	}
	return ""
}

func (c *checker) conditional(t *ast.ConditionalNode, pos Span) *Node {
	cond, a, b := c.condition(t.Cond), c.node(t.Exp1), c.node(t.Exp2)
	if a.Type.number() && b.Type.number() {
		a, b = c.unify(a, b)
	}
	if a.Type != b.Type || a.Type == List {
		c.fail(b.Pos, "both sides of : must be of one type, but %s is %s and %s is %s", c.quote(a), a.Type, c.quote(b), b.Type)
	}
	return fold(&Node{Op: If, Type: a.Type, Args: []*Node{cond, a, b}, Pos: pos})
}

// convert makes a number of another type of number.
func (c *checker) convert(n *Node, to Type) *Node {
	if n.Type == to {
		return n
	}
	op := map[Type]Op{Int: ToInt, Uint: ToUint, Float: ToFloat}[to]
	return fold(&Node{Op: op, Type: to, Args: []*Node{n}, Pos: n.Pos})
}

// unify gives two numbers one type for arithmetic: Float if one is, else Int.
func (c *checker) unify(a, b *Node) (*Node, *Node) {
	switch {
	case a.Type == b.Type:
		return a, b
	case a.Type == Float || b.Type == Float:
		return c.convert(a, Float), c.convert(b, Float)
	}
	return c.convert(a, Int), c.convert(b, Int)
}

// saturate is v as an Int.
func saturate(v uint64) int64 { return int64(min(v, math.MaxInt64)) }

package filter

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gadget-bpf/gadget/internal/event"
)

// ParsePeer checks a filter in the form FIELD OP VALUE[,FIELD OP VALUE…], whose
// clauses must all hold. OP is one of = == != > >= < <= and, for text, ~ and !~
// with a regular expression. Values stand without quotes, a comma in one as \,;
// none is empty.
//
// A value that looks like the rest of an expression, with a quote before it or
// with an and or or in it, is refused: the filter was meant to be an expression.
func ParsePeer(source string, l *event.Layout) (*Node, error) {
	n, err := parsePeer(source, l)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// peerOps in the order in which they are tried: the longer ones first.
var peerOps = []string{"==", "!=", ">=", "<=", "!~", "=", ">", "<", "~"}

var comparisons = map[string]Op{"=": Eq, "==": Eq, "!=": Ne, ">": Gt, ">=": Ge, "<": Lt, "<=": Le}

func parsePeer(source string, l *event.Layout) (n *Node, err *Error) {
	defer catch(&err)
	c := &checker{source: source, layout: l}
	if len(source) > maxSource {
		return nil, &Error{Message: fmt.Sprintf("the filter is longer than %d bytes", maxSource)}
	}
	offset := 0
	for _, clause := range splitClauses(source) {
		m := c.clause(c.cut(clause, offset))
		if n == nil {
			n = m
		} else {
			n = fold(&Node{Op: And, Type: Bool, Args: []*Node{n, m}, Pos: Span{0, utf8.RuneCountInString(source)}})
		}
		offset += utf8.RuneCountInString(clause) + 1
	}
	return n, nil
}

// splitClauses cuts at commas that have no backslash before them.
func splitClauses(source string) []string {
	var clauses []string
	start := 0
	for i := 0; i < len(source); i++ {
		switch source[i] {
		case '\\':
			i++
		case ',':
			clauses = append(clauses, source[start:i])
			start = i + 1
		}
	}
	return append(clauses, source[start:])
}

// clause is FIELD OP VALUE with the places of its parts.
type clause struct {
	name, op, value string
	nameAt, valueAt Span
}

// cut takes a clause apart; offset is where it begins in the source.
func (c *checker) cut(source string, offset int) clause {
	span := func(from, to int) Span {
		return Span{offset + utf8.RuneCountInString(source[:from]), offset + utf8.RuneCountInString(source[:to])}
	}
	opAt := max(strings.IndexAny(source, "=!<>~"), 0)
	name := strings.TrimSpace(source[:opAt])
	i := slices.IndexFunc(peerOps, func(op string) bool { return strings.HasPrefix(source[opAt:], op) })
	if i < 0 || name == "" || strings.ContainsAny(name, " \t\n\"'`()[]{}&|") {
		c.noClause(span(0, len(source)), "expected FIELD OP VALUE")
	}
	nameAt, valueAt := strings.Index(source, name), opAt+len(peerOps[i])
	return clause{
		name: name, nameAt: span(nameAt, nameAt+len(name)),
		op:    peerOps[i],
		value: strings.TrimSpace(source[valueAt:]), valueAt: span(valueAt, len(source)),
	}
}

func (c *checker) clause(cl clause) *Node {
	pos := Span{cl.nameAt.From, cl.valueAt.To}
	if cl.value == "" {
		c.noClause(cl.valueAt, "the value is missing")
	}
	op, compares := comparisons[cl.op]
	if meantAsExpression(cl.value, compares) {
		c.noClause(cl.valueAt, "the value looks like part of an expression")
	}
	value := strings.ReplaceAll(cl.value, `\,`, ",")
	field := c.lookup(cl.name, cl.nameAt)
	switch {
	case field.Type == List:
		c.fail(field.Pos, "%s is a list; use an expression: 1 in %s", cl.name, cl.name)
	case compares:
		return c.compare(op, field, c.value(field, value, cl.valueAt), pos)
	case field.Type != Text:
		c.fail(pos, "%s is %s; %s works on text", cl.name, field.Type, cl.op)
	}
	n := c.matches(field, text(value, cl.valueAt), pos)
	if cl.op == "!~" {
		n = fold(&Node{Op: Not, Type: Bool, Args: []*Node{n}, Pos: pos})
	}
	return n
}

// noClause is the error for what is not of this form at all.
func (c *checker) noClause(pos Span, message string) {
	panic(&Error{Source: c.source, Pos: pos, Message: message, syntax: true})
}

// meantAsExpression is true for values that nobody means as such. A regular
// expression may have and, or, && and || in it: ~ is in no expression anyway.
func meantAsExpression(value string, compares bool) bool {
	if strings.ContainsAny(value[:1], "\"'`") {
		return true
	}
	for _, operator := range []string{"&&", "||", " and ", " or "} {
		if compares && strings.Contains(value, operator) {
			return true
		}
	}
	return false
}

// value reads a value as what the field is.
func (c *checker) value(field *Node, value string, pos Span) *Node {
	var n *Node
	var err error
	switch field.Type {
	case Bool:
		if value != "true" && value != "false" {
			c.fail(pos, "%s is true or false, not %q", field.Field.Name, value)
		}
		return truth(value == "true", pos)
	case Int, Uint:
		n, err = intLiteral(value, pos)
	case Float:
		n, err = floatLiteral(value, pos)
	default:
		return text(value, pos)
	}
	if err != nil {
		c.fail(pos, "%s cannot be compared with %q: %v", field.Field.Name, value, err)
	}
	return n
}

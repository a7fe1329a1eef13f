package filter

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/gadget-bpf/gadget/internal/event"
)

// ParsePeer checks a filter in the form FIELD OP VALUE[,FIELD OP VALUE…], whose
// clauses must all hold. OP is one of = == != > >= < <= and, for text, ~ and !~
// with a regular expression. Values stand without quotes, a comma in one as \,;
// none is empty.
//
// A value that looks like the rest of an expression, with quotes around it or
// with && or || in it, is refused: the filter was meant to be an expression.
func ParsePeer(source string, l *event.Layout) (*Node, error) {
	n, err := parsePeer(source, l)
	if err != nil {
		return nil, err
	}
	return n, nil
}

var (
	peerClause = regexp.MustCompile(`^\s*([\pL\pN_$.\-]+)\s*(==|!=|>=|<=|!~|=|>|<|~)(.*)$`)
	peerOps    = map[string]Op{"=": Eq, "==": Eq, "!=": Ne, ">": Gt, ">=": Ge, "<": Lt, "<=": Le, "~": Matches, "!~": Matches}
)

func parsePeer(source string, l *event.Layout) (n *Node, err *Error) {
	defer catch(&err)
	c := &checker{source: source, layout: l}
	if len(source) > maxSource {
		return nil, &Error{Message: fmt.Sprintf("the filter is longer than %d bytes", maxSource)}
	}
	offset := 0
	for _, clause := range splitClauses(source) {
		m := c.clause(clause, offset)
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

// clause checks FIELD OP VALUE; offset is where it begins in the source.
func (c *checker) clause(clause string, offset int) *Node {
	span := func(from, to int) Span {
		return Span{offset + utf8.RuneCountInString(clause[:from]), offset + utf8.RuneCountInString(clause[:to])}
	}
	m := peerClause.FindStringSubmatchIndex(clause)
	if m == nil {
		c.noClause(span(0, len(clause)), "expected FIELD OP VALUE")
	}
	pos := span(m[2], m[1])
	name, op := clause[m[2]:m[3]], clause[m[4]:m[5]]
	value, at := strings.TrimSpace(clause[m[6]:m[7]]), span(m[6], m[7])
	if meantAsExpression(value) {
		c.noClause(at, "the value looks like part of an expression")
	}
	if value == "" {
		c.noClause(at, "the value is missing")
	}
	value = strings.ReplaceAll(value, `\,`, ",")

	field := c.lookup(name, span(m[2], m[3]))
	if field.Type == List {
		c.fail(field.Pos, "%s is a list; use an expression: 1 in %s", name, name)
	}
	if peerOps[op] != Matches {
		return c.compare(peerOps[op], field, c.value(field, value, at), pos)
	}
	if field.Type != Text {
		c.fail(pos, "%s is %s; %s works on text", name, field.Type, op)
	}
	n := c.matches(field, text(value, at), pos)
	if op == "!~" {
		n = fold(&Node{Op: Not, Type: Bool, Args: []*Node{n}, Pos: pos})
	}
	return n
}

// noClause is the error for what is not of this form at all.
func (c *checker) noClause(pos Span, message string) {
	panic(&Error{Source: c.source, Pos: pos, Message: message, syntax: true})
}

func meantAsExpression(value string) bool {
	return strings.Contains(value, "&&") || strings.Contains(value, "||") ||
		strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") || strings.HasPrefix(value, "`")
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

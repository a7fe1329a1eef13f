package event

import "strings"

type yamlEncoder struct{ program }

var _ Encoder = (*yamlEncoder)(nil)

// NewYAML returns an Encoder that prints a document with --- before it for each
// record, those of array data sources too, with the fields, the nesting and the
// order of [NewJSON].
func NewYAML(l *Layout, env *Env) Encoder {
	c := yamlCompiler{}
	root := newTree(l)
	c.literal.WriteString("---\n")
	if len(root.kids) == 0 {
		c.literal.WriteString("{}\n")
	}
	c.mapping(root, 0)
	return &yamlEncoder{newProgram(env, c.ops, c.literal.String(), appendYAML)}
}

func (e *yamlEncoder) Begin(dst []byte) []byte { return dst }

func (e *yamlEncoder) Append(dst []byte, rec *Record) []byte { return e.append(dst, rec) }

func (e *yamlEncoder) End(dst []byte) []byte { return dst }

// yamlCompiler is jsonCompiler for YAML's block style.
type yamlCompiler struct {
	ops     []op
	literal strings.Builder
}

func (c *yamlCompiler) mapping(n *node, depth int) {
	for _, kid := range n.kids {
		c.literal.WriteString(strings.Repeat("  ", depth))
		c.key(kid.key, depth)
		if len(kid.kids) > 0 {
			c.literal.WriteByte('\n')
			c.mapping(kid, depth+1)
			continue
		}
		c.literal.WriteByte(' ')
		c.ops = append(c.ops, newOp(c.literal.String(), kid.field))
		c.literal.Reset()
		c.literal.WriteByte('\n')
	}
}

// key writes a key up to its colon. One of more than 1024 characters is valid
// only after a question mark and on a line of its own.
func (c *yamlCompiler) key(key string, depth int) {
	text := appendYAML(nil, []byte(key))
	if len(text) <= 1000 {
		c.literal.Write(append(text, ':'))
		return
	}
	c.literal.WriteString("? ")
	c.literal.Write(text)
	c.literal.WriteByte('\n')
	c.literal.WriteString(strings.Repeat("  ", depth))
	c.literal.WriteByte(':')
}

// appendYAML appends text plain when it can be nothing but a string then, and
// double quoted otherwise.
func appendYAML(dst, text []byte) []byte {
	if plainYAML(text) {
		return append(dst, text...)
	}
	return AppendQuoted(dst, text)
}

// plainYAML accepts much less than YAML does: words of letters, digits and a few
// signs that begin with a letter or a slash and are no word with a meaning.
func plainYAML(text []byte) bool {
	if len(text) == 0 || !letter(text[0]) && text[0] != '/' {
		return false
	}
	for i, c := range text {
		switch {
		case letter(c), '0' <= c && c <= '9', c == '_', c == '-', c == '.', c == '/', c == '|', c == '+':
		case c == ' ' && i+1 < len(text):
		default:
			return false
		}
	}
	if len(text) > len("false") {
		return true
	}
	for _, word := range yamlWords {
		if strings.EqualFold(string(text), word) {
			return false
		}
	}
	return true
}

// yamlWords mean something else than a string to one version of YAML or another.
var yamlWords = [...]string{"null", "true", "false", "yes", "no", "on", "off", "y", "n"}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

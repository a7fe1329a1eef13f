package event

import "strings"

// JSONOptions choose how records are laid out. The zero value prints one object
// per line, and one array per batch and line for an array data source.
type JSONOptions struct {
	// Lines prints one object per line for array data sources too.
	Lines bool
	// Indent spreads objects over lines, indented by two spaces. Lines wins over it.
	Indent bool
}

type jsonEncoder struct {
	program
	array, indent bool
	// some is true when the batch has had a record.
	some bool
}

var _ Encoder = (*jsonEncoder)(nil)

// NewJSON returns an Encoder that prints all fields but the SkipJSON ones,
// hidden ones included, nested by the dots of their names, with the keys of each
// level in the order of their bytes. A name that is a field and a parent at once
// shows only the members; of two fields with one name the first counts.
//
// Integers are numbers whatever their size, floats that JSON cannot express are
// null, byte arrays of kind Bytes are a hexadecimal string and arrays of scalars
// arrays. Text that is not UTF-8 gets U+FFFD.
func NewJSON(l *Layout, env *Env, o JSONOptions) Encoder {
	e := &jsonEncoder{array: l.Array && !o.Lines, indent: o.Indent && !o.Lines}
	c := jsonCompiler{indent: e.indent}
	if e.array && e.indent {
		c.depth = 1
	}
	c.object(newTree(l))
	e.program = newProgram(env, c.ops, c.literal.String(), AppendQuoted)
	return e
}

func (e *jsonEncoder) Begin(dst []byte) []byte {
	e.some = false
	if e.array {
		dst = append(dst, '[')
	}
	return dst
}

func (e *jsonEncoder) Append(dst []byte, rec *Record) []byte {
	if !e.array {
		return append(e.append(dst, rec), '\n')
	}
	if e.some {
		dst = append(dst, ',')
	}
	e.some = true
	if e.indent {
		dst = append(dst, "\n  "...)
	}
	return e.append(dst, rec)
}

func (e *jsonEncoder) End(dst []byte) []byte {
	if !e.array {
		return dst
	}
	if e.some && e.indent {
		dst = append(dst, '\n')
	}
	return append(dst, "]\n"...)
}

// jsonCompiler turns a tree into ops; literal is what comes before the next value.
type jsonCompiler struct {
	ops     []op
	literal strings.Builder
	indent  bool
	depth   int
}

func (c *jsonCompiler) object(n *node) {
	c.literal.WriteByte('{')
	c.depth++
	for i, kid := range n.kids {
		if i > 0 {
			c.literal.WriteByte(',')
		}
		c.newline()
		c.literal.Write(AppendQuoted(nil, []byte(kid.key)))
		c.literal.WriteByte(':')
		if c.indent {
			c.literal.WriteByte(' ')
		}
		if len(kid.kids) > 0 {
			c.object(kid)
			continue
		}
		c.ops = append(c.ops, newOp(c.literal.String(), kid.field))
		c.literal.Reset()
	}
	c.depth--
	if len(n.kids) > 0 {
		c.newline()
	}
	c.literal.WriteByte('}')
}

func (c *jsonCompiler) newline() {
	if c.indent {
		c.literal.WriteByte('\n')
		c.literal.WriteString(strings.Repeat("  ", c.depth))
	}
}

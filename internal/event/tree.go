package event

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// node is a level of the tree that dotted names make of a flat layout. It is
// only there while an encoder is compiled.
type node struct {
	key  string
	kids []*node // sorted by key
	// field is the value of a leaf. A node with kids is no leaf, whether a field
	// has its name or not.
	field *Field
}

// newTree arranges the fields that have a value and are not SkipJSON. Of fields
// with the same name the first counts.
func newTree(l *Layout) *node {
	root := &node{}
	for i := range l.Fields {
		f := &l.Fields[i]
		if f.SkipJSON || f.Class() == None {
			continue
		}
		n := root
		// Names that are equal only once they are printable must meet here.
		for key := range strings.SplitSeq(strings.ToValidUTF8(f.Name, "\ufffd"), ".") {
			n = n.kid(key)
		}
		if n.field == nil {
			n.field = f
		}
	}
	return root
}

func (n *node) kid(key string) *node {
	i, found := slices.BinarySearchFunc(n.kids, key, func(k *node, key string) int { return cmp.Compare(k.key, key) })
	if !found {
		n.kids = slices.Insert(n.kids, i, &node{key: key})
	}
	return n.kids[i]
}

// op is one step of a compiled encoder: append the literal, then the value of
// the field.
type op struct {
	literal string
	field   *Field
	how     how
	// Of a number: where it lies, so that the hot path does not ask the Field again.
	offset, width, sign int
	// run holds the ops of cached values, see containerCache; part is its index there.
	run  []op
	part int
}

// how says in which way a value is written.
type how uint8

const (
	asUint   how = iota // digits
	asNumber            // digits, true, false
	asFloat             // digits or null
	asArray
	asBytes  // quoted, a view on the record
	asPlain  // quoted, text that needs no escapes
	asQuoted // quoted, any text
	asRun    // values of the container, encoded once per container
)

func newOp(literal string, f *Field) op {
	o := op{literal: literal, field: f, how: asQuoted, offset: f.Offset, width: f.width()}
	if f.signed() {
		o.sign = 64 - 8*o.width
	}
	switch f.Kind {
	case CString, RestString, Added:
		o.how = asBytes
	case FileMode, FileFlags, Errno, Signal, Syscall, HumanSize, Duration, CPUTime, Bytes, RestBytes,
		L3Addr, L4Addr, L4Proto, L4Endpoint:
		o.how = asPlain
	case Timestamp:
		if f.Format == "" {
			o.how = asPlain
		}
	}
	switch f.Class() {
	case Boolean, Signed, Unsigned:
		o.how = asNumber
		if f.numeric() && f.Class() == Unsigned {
			o.how = asUint
		}
	case Floating:
		o.how = asFloat
	}
	if f.Count > 0 && f.numeric() {
		o.how = asArray
	}
	return o
}

// program is a compiled encoder for one record: ops, then the tail.
type program struct {
	text *Formatter
	ops  []op
	tail string
	// quote appends a text value.
	quote func(dst, text []byte) []byte
	// scratch holds a text between formatting and quoting.
	scratch []byte
	cache   containerCache
}

func newProgram(env *Env, ops []op, tail string, quote func(dst, text []byte) []byte) program {
	p := program{text: NewFormatter(env), ops: ops, tail: tail, quote: quote}
	p.joinRuns()
	return p
}

func (p *program) append(dst []byte, rec *Record) []byte {
	for i := range p.ops {
		o := &p.ops[i]
		dst = append(dst, o.literal...)
		if o.how == asUint { // most fields are, and a call costs more than the work
			if v := load(rec.Raw, o.offset, o.width); v < 10 {
				dst = append(dst, byte('0'+v))
			} else {
				dst = strconv.AppendUint(dst, v, 10)
			}
			continue
		}
		dst = p.value(dst, o, rec)
	}
	return append(dst, p.tail...)
}

func (p *program) value(dst []byte, o *op, rec *Record) []byte {
	switch o.how {
	case asRun:
		return append(dst, p.cache.of(p, rec.Container)[o.part]...)
	case asUint, asNumber:
		if o.field.Kind == FromContainer {
			return p.text.Append(dst, o.field, rec)
		}
		v := load(rec.Raw, o.offset, o.width)
		return p.text.appendNumber(dst, o.field, uint64(int64(v<<o.sign)>>o.sign))
	case asFloat:
		return p.float(dst, o.field, o.field.Float(rec))
	case asArray:
		return p.array(dst, o.field, rec)
	case asBytes:
		return p.quote(dst, o.field.Bytes(rec))
	case asPlain:
		dst = append(dst, '"')
		return append(p.text.Append(dst, o.field, rec), '"')
	}
	p.scratch = p.text.Append(p.scratch[:0], o.field, rec)
	return p.quote(dst, p.scratch)
}

func (p *program) float(dst []byte, f *Field, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	bits := 64
	if f.Kind == Float32 {
		bits = 32
	}
	return appendFloat(dst, v, bits)
}

func (p *program) array(dst []byte, f *Field, rec *Record) []byte {
	dst = append(dst, '[')
	for i := range f.elements(rec) {
		if i > 0 {
			dst = append(dst, ',')
		}
		v := f.uintAt(rec, i)
		switch f.Class() {
		case Floating:
			dst = p.float(dst, f, f.float(v))
		case Text:
			p.scratch = p.text.appendNumber(p.scratch[:0], f, v)
			dst = p.quote(dst, p.scratch)
		default:
			dst = p.text.appendNumber(dst, f, v)
		}
	}
	return append(dst, ']')
}

// containerCache keeps the encoded runs of the containers seen last. A Container
// never changes once it is published, so its pointer is the key.
type containerCache struct {
	last  *Container
	parts [][]byte
	known map[*Container][][]byte
	runs  []*op
}

// maxCached bounds the memory of a cache; it starts afresh when it is full.
const maxCached = 1024

// joinRuns makes one op of neighbouring values of the container.
func (p *program) joinRuns() {
	var joined []op
	for i := 0; i < len(p.ops); {
		end := i
		for end < len(p.ops) && p.ops[end].field.Kind == FromContainer {
			end++
		}
		if end == i {
			joined = append(joined, p.ops[i])
			i++
			continue
		}
		run := slices.Clone(p.ops[i:end])
		o := op{literal: run[0].literal, how: asRun, run: run, part: len(p.cache.runs)}
		run[0].literal = ""
		joined = append(joined, o)
		p.cache.runs = append(p.cache.runs, &o)
		i = end
	}
	p.ops = joined
}

func (c *containerCache) of(p *program, container *Container) [][]byte {
	if c.parts != nil && container == c.last {
		return c.parts
	}
	parts, ok := c.known[container]
	if !ok {
		rec := Record{Container: container}
		for _, run := range c.runs {
			var b []byte
			for i := range run.run {
				b = append(b, run.run[i].literal...)
				b = p.value(b, &run.run[i], &rec)
			}
			parts = append(parts, b)
		}
		if c.known == nil || len(c.known) >= maxCached {
			c.known = make(map[*Container][][]byte)
		}
		c.known[container] = parts
	}
	c.last, c.parts = container, parts
	return parts
}

package event

type rawEncoder struct {
	text   *Formatter
	fields []*Field
	// value is one value before it is made safe.
	value []byte
}

var _ Encoder = (*rawEncoder)(nil)

// NewRaw returns an Encoder that prints the visible text fields of a record as
// they are, each with a line break after it: for records that are a drawing or a
// document rather than a row of values. Line breaks and tabs inside a text stay;
// other control bytes become escapes, as in [NewColumns].
func NewRaw(l *Layout, env *Env) Encoder {
	e := &rawEncoder{text: NewFormatter(env)}
	for _, f := range visible(l) {
		if f.Class() == Text {
			e.fields = append(e.fields, f)
		}
	}
	return e
}

func (e *rawEncoder) Begin(dst []byte) []byte { return dst }

func (e *rawEncoder) Append(dst []byte, rec *Record) []byte {
	for _, f := range e.fields {
		e.value = e.text.Append(e.value[:0], f, rec)
		dst = append(AppendTextSafe(dst, e.value), '\n')
	}
	return dst
}

func (e *rawEncoder) End(dst []byte) []byte { return dst }

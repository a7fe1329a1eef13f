package schemas

import (
	"fmt"
	"strings"
)

// Annotate sets an annotation of a data source, or of one of its fields unless
// field is "", over what gadget.yaml says. Names compare without regard to letter
// case. The error is about a value that a known annotation does not take; whether
// there is such a data source only a plan can tell.
func (m *Metadata) Annotate(source, field, key, value string) error {
	what, known := fmt.Sprintf("data source %q", source), sourceAnnotations
	if field != "" {
		what, known = fmt.Sprintf("field %q", field), fieldAnnotations
	}
	r := &reader{}
	r.checkAnnotation(entry{key: strings.ToLower(key), raw: key}, value, what, known)
	for _, p := range r.problems {
		if p.Severity == Error {
			return p
		}
	}
	if m.DataSources == nil {
		m.DataSources = map[string]DataSource{}
	}
	s := m.DataSources[strings.ToLower(source)]
	if s.Annotations == nil {
		s = DataSource{Name: source, Annotations: map[string]string{}, Fields: map[string]Field{}}
	}
	if field == "" {
		s.Annotations[strings.ToLower(key)] = value
	} else {
		f := s.Fields[strings.ToLower(field)]
		if f.Annotations == nil {
			f = Field{Name: field, Annotations: map[string]string{}}
		}
		f.Annotations[strings.ToLower(key)] = value
		s.Fields[strings.ToLower(field)] = f
	}
	m.DataSources[strings.ToLower(source)] = s
	return nil
}

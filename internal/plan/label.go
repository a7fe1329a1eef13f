package plan

import (
	"slices"

	"github.com/gadget-bpf/gadget/internal/event"
)

// labelOrder is that of a column before all that a gadget has.
const labelOrder = -1000

// Label gives every data source a field whose text is always the same, as its first
// column. A field of that name that a data source has is left alone.
func (p *Plan) Label(name, text, about string) {
	for _, s := range p.Sources {
		if s.Kind == Rendered || s.Layout.Field(name) != nil {
			continue
		}
		grown := *s.Layout
		grown.Fields = append(slices.Clip(grown.Fields), event.Field{
			Name: name, Kind: event.Constant, Format: text, Order: labelOrder, Description: about,
			Column: event.Column{Width: max(len(text), len(name)), Precision: -1},
		})
		s.Layout = grown.Clone() // which looks for its fields in the new list
	}
}

package event

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/schemas"
)

// Select returns the fields that a list such as "proc.comm,fname" names, in its
// order. +name adds to the default list, -name removes from it; when a name has
// no sign the list begins empty instead. Items work from left to right, and a
// field that is there already stays where it is.
//
// A name is that of a field; or of a parent, for its visible members (for all of
// them if none is visible, and for removing); or the title of a column, such as
// pid for proc.pid. "" is the default list: all fields that are not hidden, by
// Order. The error for an unknown name has the nearest one.
func Select(l *Layout, spec string) ([]*Field, error) {
	items := strings.FieldsFunc(spec, func(r rune) bool { return r == ',' || r == ' ' })
	unsigned := func(item string) bool { return item[0] != '+' && item[0] != '-' }
	var fields []*Field
	if !slices.ContainsFunc(items, unsigned) {
		fields = visible(l)
	}
	for _, item := range items {
		name := strings.TrimLeft(item[:1], "+-") + item[1:]
		found := named(l, name, item[0] == '-')
		if len(found) == 0 {
			return nil, unknownField(l, name)
		}
		for _, f := range found {
			at := slices.Index(fields, f)
			switch {
			case item[0] == '-' && at >= 0:
				fields = slices.Delete(fields, at, at+1)
			case item[0] != '-' && at < 0:
				fields = append(fields, f)
			}
		}
	}
	return fields, nil
}

// visible is the default list.
func visible(l *Layout) []*Field {
	var fields []*Field
	for i := range l.Fields {
		if f := &l.Fields[i]; !f.Hidden && f.Class() != None {
			fields = append(fields, f)
		}
	}
	slices.SortStableFunc(fields, func(a, b *Field) int { return cmp.Compare(a.Order, b.Order) })
	return fields
}

// named finds the fields of a name: the field, else the members, else the first
// column with that title.
func named(l *Layout, name string, all bool) []*Field {
	if f := l.Field(name); f != nil && f.Class() != None {
		return []*Field{f}
	}
	var members, shown []*Field
	for i := range l.Fields {
		f := &l.Fields[i]
		if f.Class() == None || !strings.HasPrefix(f.Name, name+".") {
			continue
		}
		members = append(members, f)
		if !f.Hidden {
			shown = append(shown, f)
		}
	}
	switch {
	case len(shown) > 0 && !all:
		return shown
	case len(members) > 0:
		return members
	}
	for i := range l.Fields {
		if f := &l.Fields[i]; f.Class() != None && f.Column.Title != "" && strings.EqualFold(f.Column.Title, name) {
			return []*Field{f}
		}
	}
	return nil
}

func unknownField(l *Layout, name string) error {
	names := make([]string, len(l.Fields))
	for i := range l.Fields {
		names[i] = l.Fields[i].Name
	}
	if hint := schemas.DidYouMean(name, names); hint != "" {
		return fmt.Errorf("data source %q has no field %q: %s", l.Name, name, hint)
	}
	return fmt.Errorf("data source %q has no field %q: gadget run IMAGE --help lists the fields", l.Name, name)
}

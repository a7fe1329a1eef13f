package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/schemas"
)

// maxFields bounds what a hostile object can make us build.
const maxFields = 4096

// part is one of the structs that make up a row.
type part struct {
	typ *btf.Struct
	// offset at which it begins in the row.
	offset int
	// role is a tag for all its fields, "" for none.
	role string
}

// layout compiles the layout of a data source from its structs, one after the
// other, and what gadget.yaml says of it.
func (p *Plan) layout(source string, parts ...part) (*event.Layout, error) {
	b := p.newLayout(source)
	for _, part := range parts {
		b.role = part.role
		b.layout.Size = part.offset + int(part.typ.Size)
		b.members("", part.typ.Members, part.offset, part.typ.Name)
	}
	b.role = ""
	if message := b.rest(); message != "" {
		p.ignore(b.meta.Pos, source, message)
	}
	b.envFields()
	if b.mntNS >= 0 || b.netNS >= 0 {
		b.enrich()
	}
	b.place()
	if b.err != nil {
		return nil, b.err
	}
	return b.finish(), nil
}

// newLayout begins the layout of a data source.
func (p *Plan) newLayout(source string) *layoutBuilder {
	meta := p.Metadata.DataSources[strings.ToLower(source)]
	return &layoutBuilder{
		meta:   meta,
		layout: &event.Layout{Name: source, Annotations: meta.Annotations},
		seen:   map[string]bool{}, shownAs: map[string]string{},
		mntNS: -1, netNS: -1, pid: -1, time: -1,
	}
}

// ignore notes an annotation of a data source that makes no sense. The builder
// refuses it; an image that exists runs without it.
func (p *Plan) ignore(pos schemas.Pos, source, message string) {
	p.Problems = append(p.Problems, schemas.Problem{Severity: schemas.Error, Pos: pos,
		Message: fmt.Sprintf("data source %s: annotation %s", source, message)})
}

// structNamed finds the struct that a macro names.
func (p *Plan) structNamed(name string) (*btf.Struct, error) {
	var st *btf.Struct
	if err := p.Spec.Types.TypeByName(name, &st); err != nil {
		return nil, fmt.Errorf("no struct %q in the object's BTF", name)
	}
	return st, nil
}

// layoutBuilder collects the fields of one data source.
type layoutBuilder struct {
	meta   schemas.DataSource
	layout *event.Layout
	seen   map[string]bool
	// Indexes into layout.Fields, -1 when there is none: the slice may move
	// while it grows.
	mntNS, netNS, pid, time int
	// role is a tag for the fields being added.
	role string
	// peers are the addresses in the struct, shownAs the fields whose columns show
	// another one, unless gadget.yaml says otherwise.
	peers   []*event.Peer
	shownAs map[string]string
	err     error
}

// add appends a field after those before it, with the look of a template. A name
// that exists already is the author's: what we would have added is left out.
func (b *layoutBuilder) add(f event.Field, template string) int {
	return b.put(f, schemas.Template(template))
}

// put is add with annotations in place of a template.
func (b *layoutBuilder) put(f event.Field, look map[string]string) int {
	if b.seen[f.Name] || b.err != nil {
		return -1
	}
	if len(b.layout.Fields) >= maxFields {
		b.err = fmt.Errorf("struct has more than %d fields", maxFields)
		return -1
	}
	// The kernel never sees the types of events, so nobody else has checked them.
	if f.Offset+f.Size > b.layout.Size {
		b.err = fmt.Errorf("field %s ends at byte %d of a struct that has %d: the object's BTF is broken", f.Name, f.Offset+f.Size, b.layout.Size)
		return -1
	}
	b.seen[f.Name] = true
	if b.role != "" {
		f.Tags = append(f.Tags, b.role)
	}
	b.configure(&f, look)
	b.layout.Fields = append(b.layout.Fields, f)
	return len(b.layout.Fields) - 1
}

// members adds the members of a struct or union at a byte offset. owner is the
// type's name, from which some members get their column title.
func (b *layoutBuilder) members(prefix string, members []btf.Member, base int, owner string) {
	for _, m := range members {
		if strings.HasPrefix(m.Name, "__") || m.BitfieldSize != 0 {
			continue
		}
		b.member(prefix, m, base+int(m.Offset.Bytes()), owner)
	}
}

func (b *layoutBuilder) member(prefix string, m btf.Member, offset int, owner string) {
	names, typ := resolve(m.Type)
	name := prefix + m.Name
	var inner []btf.Member
	switch t := typ.(type) {
	case *btf.Struct:
		if b.endpoint(name, t.Name, offset) {
			return
		}
		inner, owner = t.Members, t.Name
		b.group(name)
	case *btf.Union:
		inner, owner = t.Members, t.Name
		b.group(name)
	case *btf.Array:
		b.array(event.Field{Name: name, Offset: offset, Column: event.Column{Title: processTitle(owner, m.Name)}}, m.Name, names, t)
		return
	default:
		b.scalar(name, m.Name, names, typ, offset, owner)
		return
	}
	if m.Name != "" {
		name += "."
	}
	if strings.Count(name, ".") > 16 {
		return
	}
	b.members(name, inner, offset, owner)
}

// group keeps what gadget.yaml says of a member that is a struct: it has no field
// of its own that could say it.
func (b *layoutBuilder) group(name string) {
	if about := b.annotation(name, "description"); about != "" {
		if b.layout.Groups == nil {
			b.layout.Groups = map[string]string{}
		}
		b.layout.Groups[name] = about
	}
}

// resolve strips typedefs and qualifiers and returns the names met on the way,
// the base type's own name last.
func resolve(typ btf.Type) (names []string, base btf.Type) {
	for range 32 {
		switch t := typ.(type) {
		case *btf.Typedef:
			names = append(names, t.Name)
			typ = t.Type
		case *btf.Const:
			typ = t.Type
		case *btf.Volatile:
			typ = t.Type
		case *btf.Restrict:
			typ = t.Type
		case *btf.TypeTag:
			typ = t.Type
		default:
			if n := typ.TypeName(); n != "" {
				names = append(names, n)
			}
			return names, typ
		}
	}
	return names, &btf.Void{}
}

// scalarKind returns the kind of an integer, float, bool or enum.
func scalarKind(typ btf.Type) (kind event.Kind, size int) {
	switch t := typ.(type) {
	case *btf.Int:
		return intKind(int(t.Size), t.Encoding == btf.Signed, t.Encoding == btf.Bool)
	case *btf.Enum:
		return intKind(int(t.Size), t.Signed, false)
	case *btf.Float:
		switch t.Size {
		case 4:
			return event.Float32, 4
		case 8:
			return event.Float64, 8
		}
	}
	return event.Invalid, 0
}

func intKind(size int, signed, isBool bool) (event.Kind, int) {
	if isBool && size == 1 {
		return event.Bool, 1
	}
	kinds := map[int][2]event.Kind{
		1: {event.Uint8, event.Int8}, 2: {event.Uint16, event.Int16},
		4: {event.Uint32, event.Int32}, 8: {event.Uint64, event.Int64},
	}
	k, ok := kinds[size]
	if !ok {
		return event.Invalid, 0
	}
	if signed {
		return k[1], size
	}
	return k[0], size
}

// array completes and adds the field of an array member.
func (b *layoutBuilder) array(f event.Field, member string, names []string, arr *btf.Array) {
	elemNames, elem := resolve(arr.Type)
	kind, size := scalarKind(elem)
	if kind == event.Invalid || arr.Nelems == 0 {
		return
	}
	names = append(names, elemNames...)
	f.Kind, f.Size, f.Count = kind, size*int(arr.Nelems), int(arr.Nelems)
	f.Order, f.Tags = len(b.layout.Fields), tags(names, member)
	if len(elemNames) > 0 { // an enum may have no name
		f.Type = elemNames[0]
	}
	if slices.Contains(elemNames, "char") && size == 1 {
		f.Kind, f.Count = event.CString, 0
	}
	b.add(f, autoTemplate(elemNames))
}

func (b *layoutBuilder) scalar(name, member string, names []string, typ btf.Type, offset int, owner string) {
	kind, size := scalarKind(typ)
	if kind == event.Invalid || member == "" {
		return
	}
	f := event.Field{
		Name: name, Kind: kind, Offset: offset, Size: size, Order: len(b.layout.Fields),
		Tags: tags(names, member),
	}
	if len(names) > 0 {
		f.Type = names[0]
	}
	f.Column.Title = processTitle(owner, member)
	if enum, ok := typ.(*btf.Enum); ok && len(names) <= 1 {
		b.enum(f, enum)
		return
	}
	b.typed(f, names)
}

// processTitle shortens the column titles of the well-known process structs,
// whose full names (proc.parent.pid) would be wider than their values.
func processTitle(owner, member string) string {
	switch owner {
	case "gadget_process", "gadget_creds":
		return member
	case "gadget_parent":
		return "p" + member
	}
	return ""
}

func tags(names []string, member string) []string {
	out := make([]string, 0, len(names)+2)
	for _, n := range names {
		out = append(out, "type:"+n)
	}
	return append(out, "name:"+member, "src:ebpf")
}

// rest adds the field for what follows the struct in a sample (compat-spec
// §3.5). ebpf.rest.format is ours: bytes, string or args. It returns what is
// wrong with the annotations, which then have no effect.
func (b *layoutBuilder) rest() (wrong string) {
	name := b.meta.Annotations["ebpf.rest.name"]
	if name == "" {
		return ""
	}
	f := event.Field{Name: name, Kind: event.RestBytes, Offset: b.layout.Size, Order: len(b.layout.Fields)}
	switch format := b.meta.Annotations["ebpf.rest.format"]; format {
	case "", "bytes":
	case "string":
		f.Kind = event.RestString
	case "args":
		f.Kind = event.RestArgs
	default:
		return fmt.Sprintf("ebpf.rest.format: %q is not one of bytes, string, args", format)
	}
	if lenName := b.meta.Annotations["ebpf.rest.len"]; lenName != "" {
		l := b.layout.Field(lenName)
		if l == nil || l.Kind != event.Uint32 || l.Count != 0 {
			return fmt.Sprintf("ebpf.rest.len: %q must name a __u32 member of the event struct", lenName)
		}
		f.LenOffset, f.HasLen = l.Offset, true
	}
	b.add(f, "")
	return ""
}

// finish sets the pointers into the field list, which no longer moves.
func (b *layoutBuilder) finish() *event.Layout {
	at := func(i int) *event.Field {
		if i < 0 {
			return nil
		}
		return &b.layout.Fields[i]
	}
	b.layout.MntNS, b.layout.NetNS, b.layout.Time = at(b.mntNS), at(b.netNS), at(b.time)
	b.layout.PID = at(b.pid)
	for i := range b.layout.Fields {
		f := &b.layout.Fields[i]
		f.Column.Replace = b.layout.Field(cmp.Or(f.Annotations["columns.replace"], b.shownAs[f.Name]))
	}
	for _, p := range b.peers {
		p.NetNS = b.layout.NetNS
	}
	return b.layout
}

package plan

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/schemas"
)

// typeMaker makes types of C out of any bytes.
type typeMaker struct {
	data  []byte
	depth int
}

func (m *typeMaker) next() int {
	if len(m.data) == 0 {
		return 0
	}
	b := m.data[0]
	m.data = m.data[1:]
	return int(b)
}

// meaningful names make the layout do more than copy a number.
var meaningful = []string{
	"gadget_comm", "gadget_pid", "gadget_mntns_id", "gadget_netns_id", "gadget_timestamp", "gadget_errno",
	"gadget_signal", "gadget_syscall", "gadget_file_mode", "gadget_file_flags", "gadget_bytes", "gadget_duration",
	"gadget_uid", "gadget_gid", "char", "flags_set", "gadget_l3endpoint_t", "gadget_l4endpoint_t", "gadget_process",
	"gadget_parent", "gadget_creds", "u32", "",
}

func (m *typeMaker) name() string { return meaningful[m.next()%len(meaningful)] }

func (m *typeMaker) typ() btf.Type {
	if m.depth++; m.depth > 40 {
		return &btf.Void{}
	}
	defer func() { m.depth-- }()
	switch m.next() % 12 {
	case 0, 1, 2:
		return &btf.Int{Name: m.name(), Size: uint32(1) << (m.next() % 6), Encoding: btf.IntEncoding(m.next() % 5)}
	case 3:
		return &btf.Float{Size: uint32(m.next() % 17)}
	case 4:
		return &btf.Enum{Name: m.name(), Size: uint32(1) << (m.next() % 4), Signed: m.next()%2 == 0,
			Values: []btf.EnumValue{{Name: "A", Value: uint64(m.next())}, {Name: "B", Value: 1 << 40}}}
	case 5, 6:
		return &btf.Typedef{Name: m.name(), Type: m.typ()}
	case 7:
		return &btf.Array{Type: m.typ(), Nelems: uint32(m.next()) * uint32(m.next())}
	case 8:
		return &btf.Pointer{Target: &btf.Void{}}
	case 9:
		return &btf.Const{Type: m.typ()}
	case 10:
		u := m.structure()
		return &btf.Union{Name: u.Name, Size: u.Size, Members: u.Members}
	}
	return m.structure()
}

// structure makes a struct whose members lie inside of it, as a compiler's do: its
// own size is what the reader of BTF does not check.
func (m *typeMaker) structure() *btf.Struct {
	s := &btf.Struct{Name: m.name()}
	for i := range m.next() % 12 {
		name := fmt.Sprintf("%s%d", []string{"a", "b_raw", "_raw", "__hidden", "x.y", ""}[m.next()%6], i)
		member := btf.Member{Name: name, Type: m.typ(), Offset: btf.Bits(m.next()) * 8}
		if m.next()%16 == 0 {
			member.BitfieldSize = 3
		}
		s.Members = append(s.Members, member)
	}
	s.Size = uint32(m.next()) << (m.next() % 16)
	return s
}

// FuzzLayout makes a struct and a gadget.yaml out of any bytes: whatever comes is
// refused or gives fields that lie in the struct and that all encoders can read.
func FuzzLayout(f *testing.F) {
	f.Add([]byte("\x0b\x03\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"), "datasources: {x: {annotations: {ebpf.rest.name: rest, ebpf.rest.len: a0}}}")
	f.Add([]byte("a struct of whatever these letters say, as long as there are some"), "")
	f.Add([]byte{11, 16, 5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, "datasources: {x: {fields: {a1: {annotations: {columns.width: type, template: pid}}}}}")
	f.Fuzz(func(t *testing.T, data []byte, yaml string) {
		md, _, err := schemas.ParseMetadata("gadget.yaml", []byte(yaml))
		if err != nil {
			md = &schemas.Metadata{}
		}
		m := &typeMaker{data: data}
		key, value := m.structure(), m.structure()
		p := &Plan{Metadata: md}
		l, err := p.layout("x", part{key, 0, "role:key"}, part{value, int(key.Size), ""})
		if err != nil {
			return
		}
		names := map[string]bool{}
		for i := range l.Fields {
			fd := &l.Fields[i]
			if fd.Kind < event.RestBytes && (fd.Offset < 0 || fd.Size < 0 || fd.Offset+fd.Size > l.Size) {
				t.Errorf("%s: %d+%d lies outside of %d bytes", fd.Name, fd.Offset, fd.Size, l.Size)
			}
			if names[fd.Name] || fd.Name == "" {
				t.Errorf("field %q is there twice or has no name", fd.Name)
			}
			names[fd.Name] = true
		}
		if t.Failed() || l.Size > 1<<20 {
			return
		}
		rec := &event.Record{Raw: make([]byte, l.Size+3)}
		env := &event.Env{}
		for _, e := range []event.Encoder{
			event.NewJSON(l, env, event.JSONOptions{}), event.NewYAML(l, env),
		} {
			e.End(e.Append(e.Begin(nil), rec))
		}
	})
}

package builder

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

var errExt = errors.New("malformed .BTF.ext")

// relocatedTypes names the types of the kernel that an object looks at: those at
// which its CO-RE relocations start, without their flavours (task_struct___old).
func relocatedTypes(object []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	section := f.Section(".BTF.ext")
	if section == nil {
		return nil, nil
	}
	ext, err := section.Data()
	if err != nil {
		return nil, err
	}
	ids, err := relocationTypes(ext)
	if err != nil {
		return nil, err
	}
	types, err := btf.LoadSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, id := range ids {
		t, err := types.TypeByID(btf.TypeID(id))
		if err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(t.TypeName(), "___")
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// relocationTypes are the types of the CO-RE relocations in .BTF.ext: struct
// btf_ext_header, then for each section of programs struct btf_ext_info_sec with
// records of struct bpf_core_relo (libbpf's btf.h, include/uapi/linux/bpf.h).
func relocationTypes(ext []byte) ([]uint32, error) {
	const headerSize, recordSize = 32, 16
	order := binary.LittleEndian
	if len(ext) < 8 || order.Uint16(ext) != 0xeb9f {
		return nil, errExt
	}
	header := order.Uint32(ext[4:])
	if header < headerSize || uint64(header) > uint64(len(ext)) {
		return nil, nil // written before there were relocations
	}
	offset, size := uint64(order.Uint32(ext[24:])), uint64(order.Uint32(ext[28:]))
	if size == 0 {
		return nil, nil
	}
	start := uint64(header) + offset
	if start+size > uint64(len(ext)) || size < 4 {
		return nil, errExt
	}
	info := ext[start : start+size]
	record := order.Uint32(info)
	if record < recordSize {
		return nil, errExt
	}
	var ids []uint32
	for info = info[4:]; len(info) >= 8; {
		records := uint64(order.Uint32(info[4:])) * uint64(record)
		if info = info[8:]; records > uint64(len(info)) {
			return nil, errExt
		}
		for r := info[:records]; len(r) > 0; r = r[record:] {
			ids = append(ids, order.Uint32(r[4:]))
		}
		info = info[records:]
	}
	return ids, nil
}

// reduceTypes makes BTF of nothing but the types of these names and what is part of
// them. What they only point to is left out: relocations never follow a pointer.
func reduceTypes(kernel *btf.Spec, names []string) ([]byte, error) {
	b, err := btf.NewBuilder(nil, nil)
	if err != nil {
		return nil, err
	}
	r := reducer{}
	for _, name := range names {
		found, err := kernel.AnyTypesByName(name)
		if errors.Is(err, btf.ErrNotFound) {
			continue // of another kernel
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, t := range found {
			if _, err := b.Add(r.reduce(t)); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
}

// reducer maps types to what is left of them.
type reducer map[btf.Type]btf.Type

func (r reducer) reduce(t btf.Type) btf.Type {
	if small := r[t]; small != nil {
		return small
	}
	switch t := t.(type) {
	case *btf.Struct:
		small := &btf.Struct{Name: t.Name, Size: t.Size}
		r[t] = small
		small.Members = r.members(t.Members)
		return small
	case *btf.Union:
		small := &btf.Union{Name: t.Name, Size: t.Size}
		r[t] = small
		small.Members = r.members(t.Members)
		return small
	case *btf.Array:
		r[t] = &btf.Array{Index: r.reduce(t.Index), Type: r.reduce(t.Type), Nelems: t.Nelems}
	case *btf.Typedef:
		r[t] = &btf.Typedef{Name: t.Name, Type: r.reduce(t.Type)}
	case *btf.Pointer, *btf.FuncProto:
		r[t] = &btf.Pointer{Target: &btf.Void{}}
	case *btf.Func:
		r[t] = &btf.Func{Name: t.Name, Type: &btf.FuncProto{Return: &btf.Void{}}, Linkage: t.Linkage}
	case *btf.Const:
		return r.reduce(t.Type)
	case *btf.Volatile:
		return r.reduce(t.Type)
	case *btf.Restrict:
		return r.reduce(t.Type)
	case *btf.TypeTag:
		return r.reduce(t.Type)
	case *btf.Int, *btf.Enum, *btf.Float, *btf.Fwd, *btf.Void:
		return t
	default:
		return &btf.Void{}
	}
	return r[t]
}

func (r reducer) members(all []btf.Member) []btf.Member {
	small := make([]btf.Member, len(all))
	for i, m := range all {
		small[i] = btf.Member{Name: m.Name, Type: r.reduce(m.Type), Offset: m.Offset, BitfieldSize: m.BitfieldSize}
	}
	return small
}

package builder

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Kinds of BTF types that need a word (include/uapi/linux/btf.h).
const (
	btfInt       = 1
	btfPtr       = 2
	btfArray     = 3
	btfStruct    = 4
	btfUnion     = 5
	btfEnum      = 6
	btfFwd       = 7
	btfTypedef   = 8
	btfVolatile  = 9
	btfConst     = 10
	btfRestrict  = 11
	btfFunc      = 12
	btfFuncProto = 13
	btfVar       = 14
	btfDatasec   = 15
	btfFloat     = 16
	btfDeclTag   = 17
	btfTypeTag   = 18
	btfEnum64    = 19
)

var errBTF = errors.New("malformed BTF")

// canonicalBTF makes the BTF of an object independent of the compiler's memory
// addresses: clang numbers forward declarations, and lays out their names, in the
// order of the pointers it keeps them under, so that two runs may differ. They
// are sorted by name here. Sizes and the offsets of all types stay, so that
// relocations do. ext is .BTF.ext, which refers to the same strings and types.
func canonicalBTF(btf, ext []byte) ([]byte, []byte, error) {
	if len(btf) < 24 || binary.LittleEndian.Uint16(btf) != 0xeb9f {
		return nil, nil, errBTF
	}
	start, end, err := part(btf, 8)
	if err != nil {
		return nil, nil, err
	}
	stringsAt, stringsEnd, err := part(btf, 16)
	// Types, then strings, then nothing: anything else is not clang's.
	if err != nil || end != stringsAt || stringsEnd != len(btf) {
		return nil, nil, errBTF
	}

	btf, ext = bytes.Clone(btf), bytes.Clone(ext)
	types, strings := btf[start:end], bytes.Clone(btf[stringsAt:])
	ids, err := sortForwards(types, strings)
	if err != nil {
		return nil, nil, err
	}

	t := &stringTable{old: strings, at: map[string]uint32{"": 0}}
	t.new.WriteByte(0)
	renumber := func(b []byte) error {
		if id, ok := ids[binary.LittleEndian.Uint32(b)]; ok {
			binary.LittleEndian.PutUint32(b, id)
		}
		return nil
	}
	if err := walkTypes(types, t.rename, renumber); err != nil {
		return nil, nil, err
	}
	if err := walkExt(ext, t.rename, renumber); err != nil {
		return nil, nil, err
	}
	binary.LittleEndian.PutUint32(btf[20:], uint32(t.new.Len()))
	return append(btf[:stringsAt], t.new.Bytes()...), ext, nil
}

// part returns where the part of b begins and ends whose offset and length,
// counted from the end of the header, stand at an offset of the header.
func part(b []byte, at int) (start, end int, err error) {
	from := uint64(binary.LittleEndian.Uint32(b[4:])) + uint64(binary.LittleEndian.Uint32(b[at:]))
	to := from + uint64(binary.LittleEndian.Uint32(b[at+4:]))
	if to > uint64(len(b)) {
		return 0, 0, errBTF
	}
	return int(from), int(to), nil
}

// sortForwards sorts the forward declarations among the places they have, and
// returns the new type numbers by the old ones.
func sortForwards(types, strings []byte) (map[uint32]uint32, error) {
	type forward struct {
		id    uint32
		at    int
		entry [12]byte
		name  string
	}
	var all []forward
	err := eachType(types, func(id uint32, at, _ int) error {
		if kindOf(types[at:]) == btfFwd {
			f := forward{id: id, at: at, entry: [12]byte(types[at:])}
			name, err := stringAt(strings, binary.LittleEndian.Uint32(types[at:]))
			f.name = name
			all = append(all, f)
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b forward) int {
		// The info word last: struct and union may share a name.
		return cmp.Or(cmp.Compare(a.name, b.name), bytes.Compare(a.entry[4:8], b.entry[4:8]))
	})
	ids := map[uint32]uint32{}
	for i, f := range sorted {
		ids[f.id] = all[i].id
		copy(types[all[i].at:], f.entry[:])
	}
	return ids, nil
}

func kindOf(typ []byte) int { return int(binary.LittleEndian.Uint32(typ[4:]) >> 24 & 0x1f) }

// eachType calls visit with the number, the offset and the size of each type.
func eachType(types []byte, visit func(id uint32, at, size int) error) error {
	id := uint32(1)
	for at := 0; at < len(types); id++ {
		if len(types)-at < 12 {
			return errBTF
		}
		size, err := typeSize(types[at:])
		if err != nil {
			return err
		}
		if size > len(types)-at {
			return errBTF
		}
		if err := visit(id, at, size); err != nil {
			return err
		}
		at += size
	}
	return nil
}

func typeSize(typ []byte) (int, error) {
	n := int(binary.LittleEndian.Uint32(typ[4:]) & 0xffff)
	switch kind := kindOf(typ); kind {
	case btfPtr, btfFwd, btfTypedef, btfVolatile, btfConst, btfRestrict, btfFunc, btfFloat, btfTypeTag:
		return 12, nil
	case btfInt, btfVar, btfDeclTag:
		return 12 + 4, nil
	case btfArray:
		return 12 + 12, nil
	case btfStruct, btfUnion, btfDatasec, btfEnum64:
		return 12 + 12*n, nil
	case btfEnum, btfFuncProto:
		return 12 + 8*n, nil
	default:
		return 0, fmt.Errorf("%w: type of unknown kind %d", errBTF, kind)
	}
}

// walkTypes calls name and typ for each word that holds the offset of a string
// or the number of a type.
func walkTypes(types []byte, name, typ func([]byte) error) error {
	return eachType(types, func(_ uint32, at, size int) error {
		entry := types[at : at+size]
		errs := []error{name(entry)}
		kind := kindOf(entry)
		switch kind {
		case btfPtr, btfTypedef, btfVolatile, btfConst, btfRestrict, btfFunc, btfFuncProto, btfVar, btfDeclTag, btfTypeTag:
			errs = append(errs, typ(entry[8:]))
		}
		members := entry[12:]
		switch kind {
		case btfArray:
			errs = append(errs, typ(members), typ(members[4:]))
		case btfStruct, btfUnion:
			for ; len(members) > 0; members = members[12:] {
				errs = append(errs, name(members), typ(members[4:]))
			}
		case btfFuncProto:
			for ; len(members) > 0; members = members[8:] {
				errs = append(errs, name(members), typ(members[4:]))
			}
		case btfDatasec:
			for ; len(members) > 0; members = members[12:] {
				errs = append(errs, typ(members))
			}
		case btfEnum:
			for ; len(members) > 0; members = members[8:] {
				errs = append(errs, name(members))
			}
		case btfEnum64:
			for ; len(members) > 0; members = members[12:] {
				errs = append(errs, name(members))
			}
		}
		return errors.Join(errs...)
	})
}

// walkExt does the same for the records of .BTF.ext: functions, source lines and
// CO-RE relocations.
func walkExt(ext []byte, name, typ func([]byte) error) error {
	if len(ext) == 0 {
		return nil
	}
	if len(ext) < 32 || binary.LittleEndian.Uint32(ext[4:]) < 32 {
		return errBTF
	}
	skip := func([]byte) error { return nil }
	for _, table := range []struct {
		header int
		// What the words of a record are.
		words []func([]byte) error
	}{
		{8, []func([]byte) error{skip, typ}},
		{16, []func([]byte) error{skip, name, name, skip}},
		{24, []func([]byte) error{skip, typ, name, skip}},
	} {
		start, end, err := part(ext, table.header)
		if err != nil {
			return err
		}
		if err := walkRecords(ext[start:end], table.words, name); err != nil {
			return err
		}
	}
	return nil
}

// walkRecords walks one table of .BTF.ext: for each ELF section its name, the
// number of records, and the records.
func walkRecords(b []byte, words []func([]byte) error, name func([]byte) error) error {
	if len(b) == 0 {
		return nil
	}
	if len(b) < 4 {
		return errBTF
	}
	size := int(binary.LittleEndian.Uint32(b))
	if size < 4*len(words) {
		return errBTF
	}
	for b = b[4:]; len(b) > 0; {
		if len(b) < 8 {
			return errBTF
		}
		if err := name(b); err != nil {
			return err
		}
		n := uint64(binary.LittleEndian.Uint32(b[4:]))
		for b = b[8:]; n > 0; n-- {
			if len(b) < size {
				return errBTF
			}
			for i, word := range words {
				if err := word(b[4*i:]); err != nil {
					return err
				}
			}
			b = b[size:]
		}
	}
	return nil
}

// stringTable lays strings out in the order in which they are asked for.
type stringTable struct {
	old []byte
	new bytes.Buffer
	at  map[string]uint32
}

// rename replaces the old offset at the start of b by the new one.
func (t *stringTable) rename(b []byte) error {
	s, err := stringAt(t.old, binary.LittleEndian.Uint32(b))
	if err != nil {
		return err
	}
	at, ok := t.at[s]
	if !ok {
		at = uint32(t.new.Len())
		t.at[s] = at
		t.new.WriteString(s)
		t.new.WriteByte(0)
	}
	binary.LittleEndian.PutUint32(b, at)
	return nil
}

func stringAt(strings []byte, at uint32) (string, error) {
	if uint64(at) >= uint64(len(strings)) {
		return "", errBTF
	}
	s, _, found := bytes.Cut(strings[at:], []byte{0})
	if !found {
		return "", errBTF
	}
	return string(s), nil
}

package builder

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// Sizes of ELF64 structures in bytes, and where some of their members lie.
const (
	elfHeaderSize  = 64
	elfSectionSize = 64
	elfSymbolSize  = 24
	elfRelSize     = 16
	// maxAlign is far above what an object of programs needs.
	maxAlign = 4096
)

// stripDebug returns an object without DWARF. What loaders read stays: programs,
// maps, symbols, relocations, and BTF in its canonical form.
func stripDebug(object []byte) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("strip object: %w", err)
	}
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || f.Type != elf.ET_REL || f.Machine != elf.EM_BPF {
		return nil, fmt.Errorf("strip object: it is %s %s %s for %s, not a little-endian eBPF object", f.Class, f.Data, f.Type, f.Machine)
	}
	s := &stripper{file: f, order: binary.LittleEndian, header: bytes.Clone(object[:elfHeaderSize])}
	if err := s.read(); err != nil {
		return nil, fmt.Errorf("strip object: %w", err)
	}
	if err := s.types(); err != nil {
		return nil, fmt.Errorf("strip object: %w", err)
	}
	if err := s.symbols(); err != nil {
		return nil, fmt.Errorf("strip object: %w", err)
	}
	if err := s.relocations(); err != nil {
		return nil, fmt.Errorf("strip object: %w", err)
	}
	return s.write(), nil
}

// stripper holds the sections that stay.
type stripper struct {
	file   *elf.File
	order  binary.ByteOrder
	header []byte
	// strtab is the old index of the string table, of symbols and sections both.
	strtab int
	// keep are the old indexes of the sections that stay, index the new by old
	// ones (0 is the null section: dropped).
	keep  []int
	index map[int]int
	// data of the sections by old index.
	data map[int][]byte
	// symbol maps old to new symbol numbers; locals is how many of the new come
	// before the first global one.
	symbol map[uint32]uint32
	locals uint32
	// names is the new string table, name where each string lies in it.
	names bytes.Buffer
	name  map[string]uint32
}

// read chooses the sections that stay and reads them.
func (s *stripper) read() error {
	s.index, s.data = map[int]int{}, map[int][]byte{}
	s.name = map[string]uint32{"": 0}
	s.names.WriteByte(0)
	for i, sec := range s.file.Sections {
		if sec.Type == elf.SHT_NULL || dropped(sec) {
			continue
		}
		if sec.Addralign > maxAlign {
			return fmt.Errorf("section %s: aligned to %d bytes", sec.Name, sec.Addralign)
		}
		if sec.Type == elf.SHT_STRTAB {
			if s.strtab != 0 {
				return fmt.Errorf("section %s: clang makes one string table, this is a second", sec.Name)
			}
			s.strtab = i
		}
		s.keep = append(s.keep, i)
		s.index[i] = len(s.keep)
		if sec.Type == elf.SHT_NOBITS {
			continue
		}
		data, err := sec.Data()
		if err != nil {
			return fmt.Errorf("section %s: %w", sec.Name, err)
		}
		s.data[i] = bytes.Clone(data)
	}
	if s.strtab == 0 {
		return errors.New("it has no string table")
	}
	return nil
}

// dropped says which sections no loader reads.
func dropped(sec *elf.Section) bool {
	name := strings.TrimPrefix(strings.TrimPrefix(sec.Name, ".rela"), ".rel")
	return strings.HasPrefix(name, ".debug_") || name == ".llvm_addrsig" || name == ".comment"
}

// types makes BTF canonical.
func (s *stripper) types() error {
	btf, ext := -1, -1
	for _, i := range s.keep {
		switch s.file.Sections[i].Name {
		case ".BTF":
			btf = i
		case ".BTF.ext":
			ext = i
		}
	}
	if btf < 0 {
		return errors.New("it has no BTF")
	}
	types, infos, err := canonicalBTF(s.data[btf], s.data[ext])
	if err != nil {
		return err
	}
	s.data[btf] = types
	if ext >= 0 {
		s.data[ext] = infos
	}
	return nil
}

// symbols drops the symbols of dropped sections and renumbers the others.
func (s *stripper) symbols() error {
	s.symbol = map[uint32]uint32{}
	for _, i := range s.keep {
		sec := s.file.Sections[i]
		if sec.Type != elf.SHT_SYMTAB {
			continue
		}
		if int(sec.Link) >= len(s.file.Sections) {
			return fmt.Errorf("section %s: no section %d", sec.Name, sec.Link)
		}
		names, err := s.file.Sections[sec.Link].Data()
		if err != nil {
			return fmt.Errorf("section %s: %w", sec.Name, err)
		}
		if s.data[i], err = s.symbolTable(s.data[i], names); err != nil {
			return err
		}
	}
	return nil
}

func (s *stripper) symbolTable(table, names []byte) ([]byte, error) {
	var out []byte
	for n := 0; (n+1)*elfSymbolSize <= len(table); n++ {
		sym := table[n*elfSymbolSize:][:elfSymbolSize]
		section := s.order.Uint16(sym[6:])
		if section != 0 && section < uint16(elf.SHN_LORESERVE) {
			at, ok := s.index[int(section)]
			if !ok {
				continue
			}
			s.order.PutUint16(sym[6:], uint16(at))
		}
		start := s.order.Uint32(sym)
		if int(start) >= len(names) {
			return nil, fmt.Errorf("symbol %d: its name lies outside of the string table", n)
		}
		name, _, _ := bytes.Cut(names[start:], []byte{0})
		s.order.PutUint32(sym, s.intern(string(name)))

		s.symbol[uint32(n)] = uint32(len(out) / elfSymbolSize)
		if elf.ST_BIND(sym[4]) == elf.STB_LOCAL {
			s.locals = uint32(len(out)/elfSymbolSize) + 1
		}
		out = append(out, sym...)
	}
	return out, nil
}

// intern adds a string to the new string table and returns where it lies.
func (s *stripper) intern(name string) uint32 {
	at, ok := s.name[name]
	if !ok {
		at = uint32(s.names.Len())
		s.name[name] = at
		s.names.WriteString(name)
		s.names.WriteByte(0)
	}
	return at
}

// relocations points the relocations that stay to the new symbol numbers.
func (s *stripper) relocations() error {
	for _, i := range s.keep {
		sec := s.file.Sections[i]
		switch sec.Type {
		case elf.SHT_RELA:
			return fmt.Errorf("section %s: relocations with addends do not occur in eBPF", sec.Name)
		case elf.SHT_REL:
		default:
			continue
		}
		data := s.data[i]
		for ; len(data) >= elfRelSize; data = data[elfRelSize:] {
			info := s.order.Uint64(data[8:])
			sym, ok := s.symbol[elf.R_SYM64(info)]
			if !ok {
				return fmt.Errorf("section %s: relocation against dropped symbol %d", sec.Name, elf.R_SYM64(info))
			}
			s.order.PutUint64(data[8:], elf.R_INFO(sym, elf.R_TYPE64(info)))
		}
	}
	return nil
}

// write lays out the header, the sections and the section table.
func (s *stripper) write() []byte {
	names := make([]uint32, len(s.keep))
	for n, i := range s.keep {
		names[n] = s.intern(s.file.Sections[i].Name)
	}
	s.data[s.strtab] = s.names.Bytes()

	out := bytes.Clone(s.header)
	table := make([]byte, elfSectionSize, (len(s.keep)+1)*elfSectionSize)
	for n, i := range s.keep {
		sec := s.file.Sections[i]
		for align := max(sec.Addralign, 1); uint64(len(out))%align != 0; {
			out = append(out, 0)
		}
		size := uint64(len(s.data[i]))
		if sec.Type == elf.SHT_NOBITS {
			size = sec.Size
		}
		link, info := uint32(s.index[int(sec.Link)]), sec.Info
		switch sec.Type {
		case elf.SHT_REL:
			info = uint32(s.index[int(sec.Info)])
		case elf.SHT_SYMTAB:
			info = s.locals
		}
		// A slice of fixed size values cannot fail to encode.
		table, _ = binary.Append(table, s.order, elf.Section64{
			Name: names[n], Type: uint32(sec.Type), Flags: uint64(sec.Flags), Addr: sec.Addr,
			Off: uint64(len(out)), Size: size, Link: link, Info: info,
			Addralign: sec.Addralign, Entsize: sec.Entsize,
		})
		out = append(out, s.data[i]...)
	}
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	s.order.PutUint64(out[40:], uint64(len(out)))          // e_shoff
	s.order.PutUint16(out[60:], uint16(len(s.keep)+1))     // e_shnum
	s.order.PutUint16(out[62:], uint16(s.index[s.strtab])) // e_shstrndx
	return append(out, table...)
}

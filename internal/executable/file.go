// Package executable finds functions and USDT probes in ELF files that nobody
// vouches for: those of containers.
//
//	New        the headers, checked
//	Functions  by name: symbol tables, then Go's own table of functions
//	Matching   by pattern
//	Probes     by provider and name: the notes that sys/sdt.h makes
//	Needs      the shared libraries it is linked with
//
// It reads in pieces, and no more than it needs, whatever the headers claim: a file
// may cost some time, but neither much memory nor a panic. Offsets are those of the
// file, as the kernel wants them for uprobes.
package executable

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
)

// Bounds on what is believed. The largest programs that exist stay well below.
const (
	maxSegments    = 512
	maxSections    = 1 << 14
	maxSectionText = 1 << 20
	// maxTable is the size of a symbol table, and of its names, in bytes.
	maxTable = 512 << 20
	// maxRead is how much is read of one file in all.
	maxRead = 2 << 30
	// piece is how much is read at once: a whole number of symbols.
	piece = 48 << 10
)

// ErrFormat is what the errors of [New] wrap that say that a file is no executable
// or library of this machine.
var ErrFormat = errors.New("not a program or library of this machine")

// File is an ELF executable or shared library. It reads from what it was made of
// when it is asked, and is for one goroutine at a time.
type File struct {
	r    io.ReaderAt
	size uint64
	// had is how many bytes of it have been read.
	had      uint64
	class    elf.Class
	kind     elf.Type
	entry    uint64
	segments []elf.ProgHeader
	sections []section
	// tables are the symbol tables, the full one first.
	tables []symbolTable
	// code is the section of that name, golang that of Go's functions; the others
	// are about probes. Any of them may be nil.
	code, golang, notes, notesBase *section
	goTable                        *goTable
	goTableErr                     error
}

// section is what a section header says.
type section struct {
	name               uint32
	kind               elf.SectionType
	link               uint32
	addr, offset, size uint64
}

// New reads the headers of a file of that size.
func New(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: uint64(max(size, 0))}
	ident, err := f.read(0, elf.EI_NIDENT, elf.EI_NIDENT)
	if err != nil || !bytes.HasPrefix(ident, []byte(elf.ELFMAG)) {
		return nil, fmt.Errorf("%w: no ELF header", ErrFormat)
	}
	if elf.Data(ident[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return nil, fmt.Errorf("%w: big-endian", ErrFormat)
	}
	f.class = elf.Class(ident[elf.EI_CLASS])
	h, err := f.header()
	if err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrFormat, err)
	}
	f.kind, f.entry = elf.Type(h.Type), h.Entry
	if f.kind != elf.ET_EXEC && f.kind != elf.ET_DYN {
		return nil, fmt.Errorf("%w: %s", ErrFormat, f.kind)
	}
	if !native(elf.Machine(h.Machine)) {
		return nil, fmt.Errorf("%w: %s", ErrFormat, elf.Machine(h.Machine))
	}
	if err := f.readSegments(h); err != nil {
		return nil, err
	}
	if err := f.readSections(h); err != nil {
		return nil, err
	}
	return f, nil
}

// native says whether this machine runs programs of that type.
func native(m elf.Machine) bool {
	switch runtime.GOARCH {
	case "amd64":
		return m == elf.EM_X86_64 || m == elf.EM_386
	case "arm64":
		return m == elf.EM_AARCH64
	}
	return false
}

// header reads the ELF header; one of 32 bits is widened.
func (f *File) header() (*elf.Header64, error) {
	var h elf.Header64
	switch f.class {
	case elf.ELFCLASS64:
		return &h, f.decode(0, &h)
	case elf.ELFCLASS32:
		var n elf.Header32
		err := f.decode(0, &n)
		h = elf.Header64{
			Type: n.Type, Machine: n.Machine, Entry: uint64(n.Entry), Phoff: uint64(n.Phoff), Shoff: uint64(n.Shoff),
			Phentsize: n.Phentsize, Phnum: n.Phnum, Shentsize: n.Shentsize, Shnum: n.Shnum, Shstrndx: n.Shstrndx,
		}
		return &h, err
	}
	return nil, errors.New("neither of 32 nor of 64 bits")
}

func (f *File) readSegments(h *elf.Header64) error {
	if h.Phnum > maxSegments {
		return fmt.Errorf("%w: %d segments", ErrFormat, h.Phnum)
	}
	for i := range uint64(h.Phnum) {
		at := h.Phoff + i*uint64(h.Phentsize)
		var p elf.Prog64
		var err error
		if f.class == elf.ELFCLASS64 {
			err = f.decode(at, &p)
		} else {
			var n elf.Prog32
			err = f.decode(at, &n)
			p = elf.Prog64{Type: n.Type, Flags: n.Flags, Off: uint64(n.Off), Vaddr: uint64(n.Vaddr), Filesz: uint64(n.Filesz), Memsz: uint64(n.Memsz)}
		}
		if err != nil {
			return fmt.Errorf("%w: segment %d: %w", ErrFormat, i, err)
		}
		f.segments = append(f.segments, elf.ProgHeader{
			Type: elf.ProgType(p.Type), Flags: elf.ProgFlag(p.Flags), Off: p.Off, Vaddr: p.Vaddr, Filesz: p.Filesz, Memsz: p.Memsz,
		})
	}
	return nil
}

// readSections reads the section headers, of which a file may have none.
func (f *File) readSections(h *elf.Header64) error {
	if h.Shoff == 0 || h.Shnum == 0 {
		return nil
	}
	if h.Shnum > maxSections {
		return fmt.Errorf("%w: %d sections", ErrFormat, h.Shnum)
	}
	f.sections = make([]section, h.Shnum)
	for i := range f.sections {
		at := h.Shoff + uint64(i)*uint64(h.Shentsize)
		var s elf.Section64
		var err error
		if f.class == elf.ELFCLASS64 {
			err = f.decode(at, &s)
		} else {
			var n elf.Section32
			err = f.decode(at, &n)
			s = elf.Section64{Name: n.Name, Type: n.Type, Addr: uint64(n.Addr), Off: uint64(n.Off), Size: uint64(n.Size), Link: n.Link}
		}
		if err != nil {
			return fmt.Errorf("%w: section %d: %w", ErrFormat, i, err)
		}
		f.sections[i] = section{s.Name, elf.SectionType(s.Type), s.Link, s.Addr, s.Off, s.Size}
	}
	return f.nameSections(int(h.Shstrndx))
}

// nameSections notes the sections that are of interest.
func (f *File) nameSections(index int) error {
	if index >= len(f.sections) {
		return fmt.Errorf("%w: no names of sections", ErrFormat)
	}
	text := &f.sections[index]
	names, err := f.read(text.offset, text.size, maxSectionText)
	if err != nil {
		return fmt.Errorf("%w: names of sections: %w", ErrFormat, err)
	}
	for i := range f.sections {
		s := &f.sections[i]
		switch name := cString(names, uint64(s.name)); {
		case s.kind == elf.SHT_NOBITS:
		case name == ".gopclntab" || name == ".data.rel.ro.gopclntab":
			f.golang = s
		case name == ".text":
			f.code = s
		case name == ".note.stapsdt":
			f.notes = s
		case name == ".stapsdt.base":
			f.notesBase = s
		}
	}
	for _, kind := range []elf.SectionType{elf.SHT_SYMTAB, elf.SHT_DYNSYM} {
		for i := range f.sections {
			s := &f.sections[i]
			if s.kind == kind && s.link < uint32(len(f.sections)) {
				f.tables = append(f.tables, symbolTable{f, *s, f.sections[s.link]})
			}
		}
	}
	return nil
}

// read returns a part of the file, which must have it and must not be larger than limit.
func (f *File) read(offset, size, limit uint64) ([]byte, error) {
	if size > limit {
		return nil, fmt.Errorf("%d bytes are more than the %d that are believed", size, limit)
	}
	if offset > f.size || size > f.size-offset {
		return nil, io.ErrUnexpectedEOF
	}
	b := make([]byte, size)
	return b, f.readInto(b, offset)
}

// readInto fills b from a place in the file.
func (f *File) readInto(b []byte, offset uint64) error {
	if f.had += uint64(len(b)); f.had > maxRead {
		return errors.New("there is no end of reading it")
	}
	n, err := f.r.ReadAt(b, int64(offset))
	if n < len(b) {
		return err
	}
	return nil
}

func (f *File) decode(offset uint64, into any) error {
	b, err := f.read(offset, uint64(binary.Size(into)), piece)
	if err != nil {
		return err
	}
	_, err = binary.Decode(b, binary.LittleEndian, into)
	return err
}

// pieces calls do for a part of the file, one piece after the other, each of which
// begins with the last overlap bytes of the one before. The bytes are do's until it
// returns.
func (f *File) pieces(offset, size uint64, overlap int, do func(b []byte, at uint64) error) error {
	if size > maxTable {
		return fmt.Errorf("%d bytes are more than the %d that are believed", size, maxTable)
	}
	if offset > f.size || size > f.size-offset {
		return io.ErrUnexpectedEOF
	}
	buf := make([]byte, min(uint64(piece+overlap), size))
	kept := 0
	for done := uint64(0); done < size; {
		n := min(uint64(len(buf)-kept), size-done)
		if err := f.readInto(buf[kept:kept+int(n)], offset+done); err != nil {
			return err
		}
		if err := do(buf[:kept+int(n)], done-uint64(kept)); err != nil {
			return err
		}
		done += n
		next := min(overlap, kept+int(n))
		copy(buf, buf[kept+int(n)-next:kept+int(n)])
		kept = next
	}
	return nil
}

// offset says where in the file an address of code lies.
func (f *File) offset(addr uint64) (uint64, bool) {
	return f.locate(addr, elf.PF_X)
}

// locate says where in the file an address lies, in a segment with those rights.
func (f *File) locate(addr uint64, rights elf.ProgFlag) (uint64, bool) {
	for _, s := range f.segments {
		if s.Type == elf.PT_LOAD && s.Flags&rights == rights && addr >= s.Vaddr && addr-s.Vaddr < s.Filesz {
			if at := addr - s.Vaddr + s.Off; at < f.size {
				return at, true
			}
		}
	}
	return 0, false
}

// Address is the inverse of the offsets that [Function] and [Probe] have: where the
// code is in memory, before it is moved to where there is room for it.
func (f *File) Address(offset uint64) (uint64, bool) {
	for _, s := range f.segments {
		if s.Type == elf.PT_LOAD && s.Flags&elf.PF_X != 0 && offset >= s.Off && offset-s.Off < s.Filesz {
			return offset - s.Off + s.Vaddr, true
		}
	}
	return 0, false
}

// Fixed says that the file runs at the addresses that it names, and nowhere else.
func (f *File) Fixed() bool { return f.kind == elf.ET_EXEC }

// cString is the text at an offset up to the next zero, "" beyond the end.
func cString(b []byte, at uint64) string {
	if at >= uint64(len(b)) {
		return ""
	}
	text, _, _ := bytes.Cut(b[at:], []byte{0})
	return string(text)
}

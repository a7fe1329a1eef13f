package executable

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

const (
	// maxCandidates is how many places in a table of names may look like a name.
	maxCandidates = 1 << 16
	// maxSame is how many functions of one name are told of.
	maxSame = 64
	// maxNamesInMemory is the size of a table of names that is searched by pattern.
	maxNamesInMemory = 64 << 20
)

// Function is a function of a file.
type Function struct {
	Name string
	// Offset of its first instruction in the file, in bytes.
	Offset uint64
	// Size in bytes, 0 when unknown.
	Size uint64
	// Go functions move their stack: nothing may be put in place of a return address.
	Go bool
	// Chooser is true for what only returns which of several functions to use
	// (STT_GNU_IFUNC): glibc's memcpy, for example.
	Chooser bool
}

// symbolTable is a table of symbols with its names.
type symbolTable struct {
	f             *File
	symbols, text section
}

// Functions returns the functions of that name: those in the symbol table, else
// those in the dynamic one, else those in Go's table. There is more than one when
// static functions of several source files have the name; a global one is alone.
func (f *File) Functions(name string) ([]Function, error) {
	var errs []error
	if name == "" {
		return nil, nil
	}
	for _, t := range f.tables {
		found, err := t.named(name)
		if len(found) > 0 {
			return f.markGo(found), nil
		}
		errs = append(errs, err)
	}
	found, err := f.goFunctions(name)
	if len(found) > 0 {
		return found, nil
	}
	return nil, errors.Join(append(errs, err)...)
}

// Matching returns the functions whose name matches, at most limit of them, each
// place in the file once.
func (f *File) Matching(match func(name string) bool, limit int) ([]Function, error) {
	var (
		errs  []error
		found []Function
	)
	seen := map[uint64]bool{}
	take := func(fn Function) bool {
		if len(found) == limit {
			return false
		}
		if !fn.Chooser && !seen[fn.Offset] && match(fn.Name) {
			seen[fn.Offset] = true
			found = append(found, fn)
		}
		return true
	}
	for _, t := range f.tables {
		errs = append(errs, t.each(take))
	}
	found = f.markGo(found)
	if len(found) == 0 {
		errs = append(errs, f.eachGoFunction(take))
	}
	if len(found) > 0 {
		return found, nil
	}
	return nil, errors.Join(errs...)
}

// markGo says of functions from a symbol table which are Go's: all of them, when
// Go's own table cannot be read.
func (f *File) markGo(found []Function) []Function {
	t, err := f.openGoTable()
	if t == nil && err == nil {
		return found
	}
	for i := range found {
		addr, ok := f.Address(found[i].Offset)
		found[i].Go = err != nil || ok && t.begins(addr)
	}
	return found
}

// symbol is the part of a symbol that matters; those of 32 bits are widened.
type symbol struct {
	name        uint32
	info        uint8
	section     elf.SectionIndex
	value, size uint64
}

// scan calls do for the symbols that are functions.
func (t *symbolTable) scan(do func(s symbol) bool) error {
	size := elf.Sym64Size
	if t.f.class == elf.ELFCLASS32 {
		size = elf.Sym32Size
	}
	err := t.f.pieces(t.symbols.offset, t.symbols.size, 0, func(b []byte, _ uint64) error {
		for ; len(b) >= size; b = b[size:] {
			s := t.symbol(b)
			if kind := elf.ST_TYPE(s.info); kind != elf.STT_FUNC && kind != elf.STT_GNU_IFUNC {
				continue
			}
			if s.section == elf.SHN_UNDEF || s.value == 0 {
				continue
			}
			if !do(s) {
				return errStop
			}
		}
		return nil
	})
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// errStop ends a scan early.
var errStop = errors.New("enough")

func (t *symbolTable) symbol(b []byte) symbol {
	le := binary.LittleEndian
	if t.f.class == elf.ELFCLASS32 {
		return symbol{le.Uint32(b), b[12], elf.SectionIndex(le.Uint16(b[14:])), uint64(le.Uint32(b[4:])), uint64(le.Uint32(b[8:]))}
	}
	return symbol{le.Uint32(b), b[4], elf.SectionIndex(le.Uint16(b[6:])), le.Uint64(b[8:]), le.Uint64(b[16:])}
}

func (t *symbolTable) function(s symbol, name string) (Function, bool) {
	at, ok := t.f.offset(s.value)
	return Function{Name: name, Offset: at, Size: s.size, Chooser: elf.ST_TYPE(s.info) == elf.STT_GNU_IFUNC}, ok
}

// named finds the functions of one name. Names are searched before symbols: most
// files do not have the name, and no name is copied.
func (t *symbolTable) named(name string) ([]Function, error) {
	places, err := t.places(name)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	var global, local []Function
	err = t.scan(func(s symbol) bool {
		if _, ok := slices.BinarySearch(places, s.name); !ok {
			return true
		}
		fn, ok := t.function(s, name)
		list := &local
		if elf.ST_BIND(s.info) != elf.STB_LOCAL {
			list = &global
		}
		if ok && !slices.ContainsFunc(*list, func(other Function) bool { return other.Offset == fn.Offset }) {
			*list = append(*list, fn)
		}
		return len(local) < maxSame && len(global) < maxSame
	})
	if len(global) > 0 {
		return global, err
	}
	return local, err
}

// places returns where in the table of names the name is, also as the end of
// another one, which linkers share, and with a version behind it: name@VERS_1.
func (t *symbolTable) places(name string) ([]uint32, error) {
	var places []uint32
	want := []byte(name)
	err := t.f.pieces(t.text.offset, t.text.size, len(want), func(b []byte, at uint64) error {
		for from := 0; ; {
			i := bytes.Index(b[from:], want)
			if i < 0 {
				return nil
			}
			from += i
			end := from + len(want)
			if end == len(b) {
				return nil // What follows is in the next piece.
			}
			if b[end] == 0 || b[end] == '@' {
				if place := uint32(at) + uint32(from); len(places) == 0 || place > places[len(places)-1] {
					places = append(places, place)
				}
				if len(places) > maxCandidates {
					return errors.New("the table of names has one name too often")
				}
			}
			from++
		}
	})
	return places, err
}

// each calls do for all functions with their names until it returns false.
func (t *symbolTable) each(do func(Function) bool) error {
	names, err := t.f.read(t.text.offset, t.text.size, maxNamesInMemory)
	if err != nil {
		return err
	}
	return t.scan(func(s symbol) bool {
		name, _, _ := strings.Cut(cString(names, uint64(s.name)), "@")
		fn, ok := t.function(s, name)
		return !ok || name == "" || do(fn)
	})
}

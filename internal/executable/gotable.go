package executable

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sort"
)

// First four bytes of a table of Go functions (internal/abi/symtab.go of Go).
const (
	go116Magic = 0xfffffffa
	go118Magic = 0xfffffff0
	go120Magic = 0xfffffff1
)

// maxGoFunctions bounds a table of Go functions.
const maxGoFunctions = 4 << 20

// goTable is the table of functions that each Go program has, also when it was
// stripped (runtime.pcHeader and runtime._func of Go's runtime).
type goTable struct {
	f *File
	// names and functions are where the two parts begin in the file. A function is
	// a pair of words in the second: where it begins, and where more is.
	names, functions uint64
	namesSize        uint64
	count            int
	// word is the size of those words in bytes, 4 or 8.
	word uint64
	// text is added to where functions begin.
	text uint64
}

// openGoTable returns the file's table, nil when it has none.
func (f *File) openGoTable() (*goTable, error) {
	if f.golang == nil || f.goTable != nil || f.goTableErr != nil {
		return f.goTable, f.goTableErr
	}
	t, err := f.readGoTable()
	if err != nil {
		f.goTableErr = fmt.Errorf("table of Go functions: %w", err)
		return nil, f.goTableErr
	}
	f.goTable = t
	return t, nil
}

func (f *File) readGoTable() (*goTable, error) {
	s := f.golang
	if s.offset > f.size || s.size > f.size-s.offset {
		return nil, io.ErrUnexpectedEOF
	}
	head, err := f.read(s.offset, min(s.size, 8+9*8), piece)
	if err != nil {
		return nil, err
	}
	if len(head) < 8+9*8 || head[7] != 8 {
		return nil, errors.New("it is not one of a 64-bit program")
	}
	field := func(i int) uint64 { return binary.LittleEndian.Uint64(head[8+8*i:]) }
	t := &goTable{f: f}
	var names, namesEnd, functions uint64
	magic := binary.LittleEndian.Uint32(head)
	switch magic {
	case go116Magic:
		t.word, names, namesEnd, functions = 8, field(2), field(3), field(6)
	case go118Magic, go120Magic:
		t.word, names, namesEnd, functions = 4, field(3), field(4), field(7)
	default:
		return nil, errors.New("it is of a version that is not known")
	}
	count := field(0)
	if count == 0 || count > maxGoFunctions || functions > s.size || namesEnd > functions || names > namesEnd ||
		(2*count+1)*t.word > s.size-functions {
		return nil, errors.New("it does not fit its section")
	}
	t.count, t.names, t.functions, t.namesSize = int(count), s.offset+names, s.offset+functions, namesEnd-names
	if magic != go116Magic {
		return t, t.findText(field(2))
	}
	return t, nil
}

// goFunctions looks a name up in the table of Go functions.
func (f *File) goFunctions(name string) ([]Function, error) {
	t, err := f.openGoTable()
	if t == nil || err != nil {
		return nil, err
	}
	addr, size, err := t.named(name)
	if err != nil || addr == 0 {
		return nil, err
	}
	at, ok := f.offset(addr)
	if !ok {
		return nil, fmt.Errorf("table of Go functions: %s is not in the code", name)
	}
	return []Function{{Name: name, Offset: at, Size: size, Go: true}}, nil
}

// named returns where the function of a name begins, 0 when there is none.
func (t *goTable) named(name string) (addr, size uint64, err error) {
	place, ok, err := t.place(name)
	if !ok || err != nil {
		return 0, 0, err
	}
	err = t.scan(func(i int, nameAt uint32) (bool, error) {
		if nameAt != place {
			return true, nil
		}
		var next uint64
		if addr, err = t.entry(i); err == nil {
			next, err = t.entry(i + 1)
		}
		size = max(next, addr) - addr
		return false, err
	})
	return addr, size, err
}

// place is where a name lies among the names.
func (t *goTable) place(name string) (place uint32, ok bool, err error) {
	want := append([]byte(name), 0)
	err = t.f.pieces(t.names, t.namesSize, len(want), func(b []byte, at uint64) error {
		for from := 0; ; from++ {
			i := bytes.Index(b[from:], want)
			if i < 0 {
				return nil
			}
			from += i
			// A name begins where another one ends.
			if from == 0 && at == 0 || from > 0 && b[from-1] == 0 {
				place, ok = uint32(at)+uint32(from), true
				return errStop
			}
		}
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return place, ok, err
}

// scan calls do for each function with the place of its name.
func (t *goTable) scan(do func(i int, nameAt uint32) (bool, error)) error {
	index, funcs := window{f: t.f}, window{f: t.f}
	for i := range t.count {
		at, err := index.word(t.functions+(2*uint64(i)+1)*t.word, t.word)
		if err != nil {
			return err
		}
		if at >= t.f.size {
			return io.ErrUnexpectedEOF
		}
		// struct _func: the entry, of a word, and the name.
		nameAt, err := funcs.word(t.functions+at+t.word, 4)
		if err != nil {
			return err
		}
		if more, err := do(i, uint32(nameAt)); !more || err != nil {
			return err
		}
	}
	return nil
}

// entry returns the address of a function; that of number count is the end.
func (t *goTable) entry(i int) (uint64, error) {
	b, err := t.f.read(t.functions+2*uint64(i)*t.word, t.word, 8)
	if err != nil {
		return 0, err
	}
	if t.word == 4 {
		return uint64(binary.LittleEndian.Uint32(b)) + t.text, nil
	}
	return binary.LittleEndian.Uint64(b), nil
}

// begins says whether a Go function begins at an address.
func (t *goTable) begins(addr uint64) bool {
	var failed error
	i := sort.Search(t.count, func(i int) bool {
		entry, err := t.entry(i)
		failed = errors.Join(failed, err)
		return entry >= addr
	})
	entry, err := t.entry(i)
	return failed == nil && err == nil && i < t.count && entry == addr
}

// eachGoFunction calls do for all functions of the table until it returns false.
func (f *File) eachGoFunction(do func(Function) bool) error {
	t, err := f.openGoTable()
	if t == nil || err != nil {
		return err
	}
	names, err := f.read(t.names, t.namesSize, maxNamesInMemory)
	if err != nil {
		return err
	}
	return t.scan(func(i int, nameAt uint32) (bool, error) {
		addr, err := t.entry(i)
		if err != nil {
			return false, err
		}
		at, ok := f.offset(addr)
		name := cString(names, uint64(nameAt))
		return !ok || name == "" || do(Function{Name: name, Offset: at, Go: true}), nil
	})
}

// errText says that a probe might land in the middle of an instruction.
var errText = errors.New("it does not tell where the code begins")

// findText finds the address that functions are counted from, the symbol
// runtime.text. A wrong one would break the program, so whatever names one is
// checked. Before Go 1.26 it is in the header of the table.
func (t *goTable) findText(header uint64) error {
	entry, _, err := t.named("_rt0_" + runtime.GOARCH + "_linux")
	if err != nil {
		return err
	}
	switch begin := t.f.code; {
	// Where no C linker took part, the program begins at this function, and the
	// section with the first.
	case begin != nil && entry != 0 && begin.addr+entry == t.f.entry:
		t.text = begin.addr
	case header != 0 && t.isCode(header):
		t.text = header
	default:
		t.text, err = t.textOfModule()
	}
	return err
}

func (t *goTable) isCode(addr uint64) bool {
	_, ok := t.f.offset(addr)
	return ok
}

// Words of struct moduledata (runtime/symtab.go): its first is the address of the
// table, then come six slices.
const (
	moduleMinPC = 1 + 6*3 + 1
	moduleText  = moduleMinPC + 2
	moduleWords = moduleText + 1
)

// textOfModule finds runtime.firstmoduledata, which the program's data has, by the
// address of the table in it.
func (t *goTable) textOfModule() (uint64, error) {
	want := binary.LittleEndian.AppendUint64(nil, t.f.golang.addr)
	first, err := t.entry(0)
	if err != nil {
		return 0, err
	}
	text := uint64(0)
	for _, s := range t.f.segments {
		if s.Type != elf.PT_LOAD || s.Flags&elf.PF_X != 0 {
			continue
		}
		err := t.f.pieces(s.Off, min(s.Filesz, maxTable), 8*moduleWords, func(b []byte, _ uint64) error {
			for i := bytes.Index(b, want); i >= 0 && len(b) >= i+8*moduleWords; {
				word := func(n int) uint64 { return binary.LittleEndian.Uint64(b[i+8*n:]) }
				// minpc is where the first function begins.
				if word(moduleMinPC) == word(moduleText)+first {
					text = word(moduleText)
					return errStop
				}
				next := bytes.Index(b[i+8:], want)
				if next < 0 {
					break
				}
				i += 8 + next
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			return 0, err
		}
		if text != 0 {
			return text, nil
		}
	}
	return 0, errText
}

// window reads words of a file whose places mostly grow.
type window struct {
	f    *File
	b    []byte
	from uint64
}

func (w *window) word(at, size uint64) (uint64, error) {
	if at < w.from || at+size > w.from+uint64(len(w.b)) {
		if at > w.f.size || size > w.f.size-at {
			return 0, io.ErrUnexpectedEOF
		}
		if w.b == nil {
			w.b = make([]byte, piece)
		}
		w.b, w.from = w.b[:min(piece, w.f.size-at)], at
		if err := w.f.readInto(w.b, at); err != nil {
			w.b = w.b[:0]
			return 0, err
		}
	}
	b := w.b[at-w.from:]
	if size == 4 {
		return uint64(binary.LittleEndian.Uint32(b)), nil
	}
	return binary.LittleEndian.Uint64(b), nil
}

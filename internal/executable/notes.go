package executable

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

const (
	maxNotes = 16 << 20
	// MaxProbes is how many places of one probe are told of.
	MaxProbes = 1024
	// stapsdtType is the type of the notes of probes (sys/sdt.h).
	stapsdtType = 3
	// maxArguments is the length of a description of arguments.
	maxArguments = 4096
)

// Probe is one place of a USDT probe.
type Probe struct {
	// Offset of the instruction in the file, in bytes.
	Offset uint64
	// Semaphore is where in the file the counter lies that a program tests to
	// know whether anybody listens, 0 when the probe has none.
	Semaphore uint64
	// Arguments as the note describes them: "-4@%eax 8@-16(%rbp)".
	Arguments string
}

// Probes returns the places of a USDT probe.
func (f *File) Probes(provider, name string) ([]Probe, error) {
	var found []Probe
	err := f.eachProbe(func(n *stapsdt) error {
		if n.provider != provider || n.name != name {
			return nil
		}
		p, err := f.probe(n)
		if err != nil {
			return fmt.Errorf("note of probe %s:%s: %w", provider, name, err)
		}
		if found = append(found, p); len(found) == MaxProbes {
			return errStop
		}
		return nil
	})
	return found, err
}

// ProbeNames returns the names of probes that the file has, provider:name, as often
// as they are there, at most limit of them.
func (f *File) ProbeNames(limit int) []string {
	var names []string
	_ = f.eachProbe(func(n *stapsdt) error { // What could be read is enough.
		if names = append(names, n.provider+":"+n.name); len(names) >= limit {
			return errStop
		}
		return nil
	})
	return names
}

// stapsdt is a note of a probe (sys/sdt.h, _SDT_NOTE).
type stapsdt struct {
	location, base, semaphore uint64
	provider, name, arguments string
}

func (f *File) eachProbe(do func(*stapsdt) error) error {
	if f.notes == nil {
		return nil
	}
	b, err := f.read(f.notes.offset, f.notes.size, maxNotes)
	if err != nil {
		return fmt.Errorf("notes of probes: %w", err)
	}
	for len(b) >= 12 {
		nameSize, descSize := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		kind := binary.LittleEndian.Uint32(b[8:])
		b = b[12:]
		name, rest, ok := cut(b, nameSize)
		desc, rest, ok2 := cut(rest, descSize)
		if !ok || !ok2 {
			return errors.New("notes of probes: one is cut off")
		}
		b = rest
		if kind != stapsdtType || string(name) != "stapsdt\x00" {
			continue
		}
		n, err := f.decodeNote(desc)
		if err == nil {
			err = do(n)
		}
		if errors.Is(err, errStop) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cut returns a part of a note and what comes after it, which is aligned to 4 bytes.
func cut(b []byte, size uint32) (part, rest []byte, ok bool) {
	aligned := (uint64(size) + 3) &^ 3
	if uint64(size) > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:size], b[min(aligned, uint64(len(b))):], true
}

func (f *File) decodeNote(desc []byte) (*stapsdt, error) {
	word := 8
	if f.class == elf.ELFCLASS32 {
		word = 4
	}
	if len(desc) < 3*word {
		return nil, errors.New("notes of probes: one is too short")
	}
	addr := func(i int) uint64 {
		if word == 4 {
			return uint64(binary.LittleEndian.Uint32(desc[4*i:]))
		}
		return binary.LittleEndian.Uint64(desc[8*i:])
	}
	texts := strings.SplitN(string(desc[3*word:]), "\x00", 4)
	if len(texts) < 3 {
		return nil, errors.New("notes of probes: one has no names")
	}
	return &stapsdt{addr(0), addr(1), addr(2), texts[0], texts[1], texts[2]}, nil
}

// probe finds the places that a note names in the file. Tools that move sections
// after linking, as prelink does, leave the note alone: it says where it thinks
// that the section .stapsdt.base is.
func (f *File) probe(n *stapsdt) (Probe, error) {
	moved := uint64(0)
	if f.notesBase != nil && n.base != 0 {
		moved = f.notesBase.addr - n.base
	}
	p := Probe{Arguments: n.arguments}
	var ok bool
	if p.Offset, ok = f.offset(n.location + moved); !ok {
		return p, errors.New("it is not in the code")
	}
	if n.semaphore != 0 {
		if p.Semaphore, ok = f.locate(n.semaphore+moved, elf.PF_W); !ok {
			return p, errors.New("its semaphore is not in the data")
		}
	}
	if len(n.arguments) > maxArguments {
		return p, errors.New("its arguments are too long")
	}
	return p, nil
}

const (
	maxDynamic = 64 << 10
	maxNeeded  = 256
)

// Needs returns the names of the shared libraries that the file is linked with.
func (f *File) Needs() ([]string, error) {
	for _, s := range f.segments {
		if s.Type != elf.PT_DYNAMIC {
			continue
		}
		b, err := f.read(s.Off, min(s.Filesz, maxDynamic), maxDynamic)
		if err != nil {
			return nil, fmt.Errorf("needed libraries: %w", err)
		}
		return f.needed(b)
	}
	return nil, nil
}

// needed reads a dynamic section (System V ABI, figure 5-10).
func (f *File) needed(b []byte) ([]string, error) {
	word := 8
	if f.class == elf.ELFCLASS32 {
		word = 4
	}
	value := func(i int) uint64 {
		if word == 4 {
			return uint64(binary.LittleEndian.Uint32(b[4*i:]))
		}
		return binary.LittleEndian.Uint64(b[8*i:])
	}
	var offsets []uint64
	var text uint64
	for end := false; !end && len(b) >= 2*word; b = b[2*word:] {
		switch elf.DynTag(value(0)) {
		case elf.DT_NEEDED:
			if offsets = append(offsets, value(1)); len(offsets) > maxNeeded {
				return nil, fmt.Errorf("needed libraries: more than %d", maxNeeded)
			}
		case elf.DT_STRTAB:
			text = value(1)
		case elf.DT_NULL:
			end = true
		}
	}
	var names []string
	for _, o := range offsets {
		at, ok := f.locate(text+o, elf.PF_R)
		if !ok {
			return names, errors.New("needed libraries: a name is outside of the file")
		}
		name, err := f.read(at, min(256, f.size-at), 256)
		if err != nil {
			return names, fmt.Errorf("needed libraries: %w", err)
		}
		name, _, _ = bytes.Cut(name, []byte{0})
		names = append(names, string(name))
	}
	return names, nil
}

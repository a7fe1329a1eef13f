package plan

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Names of libbpf's usdt.bpf.h.
const (
	// HasCookie is the constant that says whether the kernel has
	// bpf_get_attach_cookie. The header calls it a setting of the kernel.
	HasCookie = "LINUX_HAS_BPF_COOKIE"
	// USDTSpecs and USDTAddresses are the maps that tell how arguments are read.
	USDTSpecs     = "__bpf_usdt_specs"
	USDTAddresses = "__bpf_usdt_ip_to_spec_id"

	// cookieSection is the constant section in which we put HasCookie.
	cookieSection = ".rodata.usdt"
	// cookieMark stands for the address of HasCookie until the object is read.
	cookieMark = 0x6c69626270665553
)

// adaptUSDT changes an object in which libbpf's usdt.bpf.h was included so that it
// can be read: the header declares weak maps, and a setting that only libbpf
// knows. It also returns the functions that are hidden from other objects. Others
// it returns as they are.
func adaptUSDT(object []byte) (adapted []byte, hidden []string, err error) {
	if !bytes.Contains(object, []byte(HasCookie)) && !bytes.Contains(object, []byte(USDTSpecs)) {
		return object, nil, nil
	}
	f, err := elf.NewFile(bytes.NewReader(object))
	if err != nil || f.Class != elf.ELFCLASS64 || f.ByteOrder != binary.LittleEndian {
		return object, nil, nil // Whoever reads it will say what is wrong.
	}
	symbols, err := f.Symbols()
	if err != nil {
		return object, nil, nil
	}
	object = slices.Clone(object)
	table := f.SectionByType(elf.SHT_SYMTAB)
	cookie := -1
	for i, s := range symbols {
		// elf.File leaves the first symbol out, which has no name.
		at := table.Offset + uint64(i+1)*elf.Sym64Size + 4 // st_info
		switch {
		case elf.ST_TYPE(s.Info) == elf.STT_FUNC && elf.ST_VISIBILITY(s.Other) == elf.STV_HIDDEN:
			hidden = append(hidden, s.Name)
		case s.Name == HasCookie && s.Section == elf.SHN_UNDEF:
			cookie = i + 1
		case elf.ST_BIND(s.Info) == elf.STB_WEAK && int(s.Section) < len(f.Sections) && f.Sections[s.Section].Name == ".maps" && at < uint64(len(object)):
			object[at] = elf.ST_INFO(elf.STB_GLOBAL, elf.ST_TYPE(s.Info))
		}
	}
	for _, s := range f.Sections {
		if s.Type == elf.SHT_REL && cookie > 0 {
			if err := markCookie(object, f, s, cookie); err != nil {
				return nil, nil, err
			}
		}
	}
	return object, hidden, nil
}

// makeStatic makes the kernel verify functions where they are called, and not for
// all arguments that they might be called with. libbpf does so for hidden ones.
func makeStatic(spec *ebpf.CollectionSpec, hidden []string) {
	for _, prog := range spec.Programs {
		for i := range prog.Instructions {
			ins := &prog.Instructions[i]
			if fn := btf.FuncMetadata(ins); fn != nil && slices.Contains(hidden, ins.Symbol()) {
				fn.Linkage = btf.StaticFunc
			}
		}
	}
}

// markCookie makes the instructions that load the address of HasCookie load
// cookieMark, and their relocations be none.
func markCookie(object []byte, f *elf.File, relocations *elf.Section, symbol int) error {
	if int(relocations.Info) >= len(f.Sections) {
		return nil
	}
	code := f.Sections[relocations.Info]
	if code.Flags&elf.SHF_EXECINSTR == 0 {
		return nil
	}
	le := binary.LittleEndian
	const relSize, instructionSize = 16, 8
	for at := relocations.Offset; at+relSize <= relocations.Offset+relocations.FileSize && at+relSize <= uint64(len(object)); at += relSize {
		rel := object[at:][:relSize]
		if int(elf.R_SYM64(le.Uint64(rel[8:]))) != symbol {
			continue
		}
		place := code.Offset + le.Uint64(rel)
		if place+2*instructionSize > uint64(len(object)) || asm.OpCode(object[place]) != asm.LoadImmOp(asm.DWord) {
			return fmt.Errorf("section %s: %s is not loaded as a variable", code.Name, HasCookie)
		}
		le.PutUint32(object[place+4:], cookieMark&0xffffffff)
		le.PutUint32(object[place+instructionSize+4:], cookieMark>>32)
		le.PutUint64(rel, ^uint64(0)) // the offset of no instruction
	}
	return nil
}

// placeCookie gives HasCookie a place among the constants of the object, where it
// can be set like any other.
func placeCookie(spec *ebpf.CollectionSpec) {
	used := false
	for _, prog := range spec.Programs {
		for i := range prog.Instructions {
			ins := &prog.Instructions[i]
			if ins.OpCode.IsDWordLoad() && ins.Src == 0 && ins.Constant == cookieMark {
				ins.Src, ins.Constant = asm.PseudoMapValue, 0
				*ins = ins.WithReference(cookieSection)
				used = true
			}
		}
	}
	if !used {
		return
	}
	// The rest of the settings, if there are any, are the kernel's own.
	var settings *btf.Datasec
	if spec.Types.TypeByName(".kconfig", &settings) == nil {
		settings.Vars = slices.DeleteFunc(settings.Vars, func(v btf.VarSecinfo) bool {
			variable, ok := v.Type.(*btf.Var)
			return ok && variable.Name == HasCookie
		})
	}
	const readOnlyProg = 1 << 7 // BPF_F_RDONLY_PROG
	spec.Maps[cookieSection] = &ebpf.MapSpec{
		Name: cookieSection, Type: ebpf.Array, KeySize: 4, ValueSize: 1, MaxEntries: 1, Flags: readOnlyProg,
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: []byte{0}}},
	}
	if spec.Variables == nil {
		spec.Variables = map[string]*ebpf.VariableSpec{}
	}
	spec.Variables[HasCookie] = &ebpf.VariableSpec{Name: HasCookie, SectionName: cookieSection, Value: []byte{0}}
}

package executable

import (
	"debug/elf"
	"encoding/binary"
)

// goTableFile makes the smallest file that has a table of Go functions: one
// function, main.main, at the beginning of the code.
func goTableFile() []byte {
	const (
		code  = 0x1000
		table = 0x200
		names = table + 80
		funcs = names + 16
	)
	b := make([]byte, code+64)
	le := binary.LittleEndian
	put := func(at int, v any) {
		if _, err := binary.Encode(b[at:], le, v); err != nil {
			panic(err)
		}
	}
	machine := elf.EM_X86_64
	if !native(machine) {
		machine = elf.EM_AARCH64
	}
	put(0, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Entry: 0x400000 + code,
		Phoff: 64, Phentsize: 56, Phnum: 1, Shoff: 0x100, Shentsize: 64, Shnum: 3, Shstrndx: 2,
	})
	put(64, elf.Prog64{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_X | elf.PF_R), Vaddr: 0x400000, Filesz: uint64(len(b)), Memsz: uint64(len(b))})
	put(0x100+64, elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Addr: 0x400000 + table, Off: table, Size: 0x100})
	put(0x100+128, elf.Section64{Name: 0, Type: uint32(elf.SHT_STRTAB), Off: 0x80, Size: 12})
	copy(b[0x80:], "\x00.gopclntab\x00")

	put(table, []uint32{go120Magic, 8 << 24})
	put(table+8, []uint64{1, 0, 0x400000 + code, names - table, funcs - table, 0, 0, funcs - table})
	copy(b[names:], "main.main\x00")
	put(funcs, []uint32{0, 12, 32}) // the entry, where its struct _func is, the end
	put(funcs+12, []uint32{0, 0})
	return b
}

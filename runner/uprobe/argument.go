package uprobe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Places in which arguments of USDT probes are (enum __bpf_usdt_arg_type of
// libbpf's usdt.bpf.h).
const (
	argConstant = 0
	argRegister = 1
	argMemory   = 2
	// argUnknown is none of them: for programs it is an argument that cannot be
	// read (bpf_usdt_arg returns -EINVAL).
	argUnknown = 255
)

const (
	// maxArguments is BPF_USDT_MAX_ARG_CNT.
	maxArguments = 12
	argumentSize = 16
	// specSize is the size of struct __bpf_usdt_spec.
	specSize = maxArguments*argumentSize + 8 + 8
)

// argument says where a program finds an argument of a probe.
type argument struct {
	place uint32
	// value is the constant, or the offset from the address in the register.
	value int64
	// register is where the register is in struct pt_regs, in bytes.
	register int16
	// size in bytes, negative for signed numbers.
	size int
}

// parseArguments reads the arguments of a probe's note. Those that it does not
// understand are argUnknown, and named by the error.
func parseArguments(arch, text string) ([]argument, error) {
	var (
		args []argument
		errs []error
	)
	for text = strings.TrimLeft(text, " "); text != ""; text = strings.TrimLeft(text, " ") {
		var one string
		one, text = cutArgument(text)
		if len(args) == maxArguments {
			return args, errors.Join(append(errs, fmt.Errorf("a program can read %d arguments only", maxArguments))...)
		}
		a, err := parseArgument(arch, one)
		if err != nil {
			a = argument{place: argUnknown, size: 8}
			errs = append(errs, fmt.Errorf("argument %d, %q: %w", len(args), one, err))
		}
		args = append(args, a)
	}
	return args, errors.Join(errs...)
}

// cutArgument returns the first argument; in brackets there are spaces.
func cutArgument(text string) (one, rest string) {
	inside := false
	for i, c := range text {
		switch {
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		case c == ' ' && !inside:
			return text[:i], text[i:]
		}
	}
	return text, ""
}

func parseArgument(arch, text string) (argument, error) {
	size, operand, ok := strings.Cut(text, "@")
	if !ok {
		return argument{}, errors.New("it has no size")
	}
	if strings.HasSuffix(size, "f") {
		return argument{}, errors.New("eBPF programs cannot read registers for floating point")
	}
	n, err := strconv.Atoi(size)
	if err != nil {
		return argument{}, errors.New("its size is no number")
	}
	switch n {
	case 1, -1, 2, -2, 4, -4, 8, -8:
	default:
		return argument{}, errors.New("its size is none of 1, 2, 4 and 8")
	}
	var a argument
	switch arch {
	case "amd64":
		a, err = parseX86(operand)
	case "arm64":
		a, err = parseARM(operand)
	default:
		err = errors.New("unknown type of machine")
	}
	a.size = n
	return a, err
}

var errOperand = errors.New("it is in a place that eBPF programs cannot read")

// parseX86 reads an operand in the words of the GNU assembler: $7, %rdi, -8(%rbp).
func parseX86(operand string) (argument, error) {
	if constant, ok := strings.CutPrefix(operand, "$"); ok {
		v, err := number(constant)
		return argument{place: argConstant, value: v}, err
	}
	if name, ok := strings.CutPrefix(operand, "%"); ok {
		reg, ok := x86Registers[name]
		if !ok {
			return argument{}, errOperand
		}
		return argument{place: argRegister, register: reg}, nil
	}
	offset, inside, ok := strings.Cut(operand, "(%")
	name, end := strings.CutSuffix(inside, ")")
	reg, known := x86Registers[name]
	if !ok || !end || !known {
		return argument{}, errOperand
	}
	a := argument{place: argMemory, register: reg}
	var err error
	if offset != "" {
		a.value, err = number(offset)
	}
	return a, err
}

// parseARM reads an operand in the words of arm64: 7, x3, w3, [sp], [x29, 16].
func parseARM(operand string) (argument, error) {
	inside, ok := strings.CutPrefix(operand, "[")
	if !ok {
		if reg, ok := armRegister(operand); ok {
			return argument{place: argRegister, register: reg}, nil
		}
		v, err := number(operand)
		return argument{place: argConstant, value: v}, err
	}
	inside, ok = strings.CutSuffix(inside, "]")
	name, offset, more := strings.Cut(inside, ",")
	reg, known := armRegister(strings.TrimSpace(name))
	if !ok || !known {
		return argument{}, errOperand
	}
	a := argument{place: argMemory, register: reg}
	var err error
	if more {
		a.value, err = number(strings.TrimPrefix(strings.TrimSpace(offset), "#"))
	}
	return a, err
}

// number reads what assemblers take as one, up to the largest number without a sign.
func number(text string) (int64, error) {
	v, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		var u uint64
		if u, err = strconv.ParseUint(text, 0, 64); err != nil {
			return 0, errOperand
		}
		v = int64(u)
	}
	return v, nil
}

// x86Registers are the offsets in struct pt_regs (arch/x86/include/asm/ptrace.h) by
// all names that a register has.
var x86Registers = x86Names(
	"r15 r15d r15w r15b", "r14 r14d r14w r14b", "r13 r13d r13w r13b", "r12 r12d r12w r12b",
	"rbp ebp bp bpl", "rbx ebx bx bl", "r11 r11d r11w r11b", "r10 r10d r10w r10b",
	"r9 r9d r9w r9b", "r8 r8d r8w r8b", "rax eax ax al", "rcx ecx cx cl",
	"rdx edx dx dl", "rsi esi si sil", "rdi edi di dil",
	"" /* orig_ax */, "rip eip ip", "" /* cs */, "" /* flags */, "rsp esp sp spl",
)

func x86Names(inOrder ...string) map[string]int16 {
	registers := map[string]int16{}
	for i, names := range inOrder {
		for name := range strings.FieldsSeq(names) {
			registers[name] = int16(8 * i)
		}
	}
	return registers
}

// armRegister returns the offset of a register in struct user_pt_regs
// (arch/arm64/include/uapi/asm/ptrace.h): x0 to x30, then sp.
func armRegister(name string) (int16, bool) {
	if name == "sp" {
		return 8 * 31, true
	}
	if len(name) < 2 || name[0] != 'x' && name[0] != 'w' {
		return 0, false
	}
	n, err := strconv.ParseUint(name[1:], 10, 8)
	if err != nil || n > 30 || name[1] == '0' && len(name) > 2 {
		return 0, false
	}
	return int16(8 * n), true
}

// encodeSpec makes a struct __bpf_usdt_spec.
func encodeSpec(args []argument) []byte {
	b := make([]byte, specSize)
	for i, a := range args {
		size, signed := a.size, byte(0)
		if size < 0 {
			size, signed = -size, 1
		}
		at := b[i*argumentSize:]
		binary.NativeEndian.PutUint64(at, uint64(a.value))
		binary.NativeEndian.PutUint32(at[8:], a.place)
		binary.NativeEndian.PutUint16(at[12:], uint16(a.register))
		// How many bits of a word of 64 are not the argument's.
		at[14], at[15] = signed, byte(64-8*size)
	}
	// After the cookie, which nobody sets.
	binary.NativeEndian.PutUint16(b[maxArguments*argumentSize+8:], uint16(len(args)))
	return b
}

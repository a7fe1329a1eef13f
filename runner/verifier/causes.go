package verifier

import "regexp"

// cause is what a message of the verifier means, and what helps. Messages change
// between kernels; a pattern has all wordings since Linux 5.10.
type cause struct {
	pattern    *regexp.Regexp
	cause, fix string
}

func because(pattern, why, fix string) cause {
	return cause{regexp.MustCompile(pattern), why, fix}
}

// causes by message; the first that matches is used.
var causes = []cause{
	because(`invalid mem access '(map_value|ringbuf_mem|alloc_mem|mem|sock|ptr_\w*)_or_null'`,
		"A pointer that may be NULL is used without a check.",
		"Test it before its first use: if (!pointer) return 0;"),
	because(`pointer arithmetic on \w+_or_null prohibited`,
		"Something is added to a pointer that may be NULL.",
		"Test it before: if (!pointer) return 0;"),
	because(`invalid mem access '(scalar|inv|untrusted_ptr_\w*)'`,
		"The program follows a number that the verifier does not know as a pointer.",
		"Read kernel memory by BPF_CORE_READ() or bpf_probe_read_kernel(), memory of the process by bpf_probe_read_user()."),
	because(`Unreleased reference|would lead to reference leak`,
		"A reserved ring buffer record is neither submitted nor discarded on some path.",
		"Call gadget_submit_buf() or gadget_discard_buf() before every return that follows the reservation."),
	because(`R\d+ type=(scalar|inv) expected=\w*(ringbuf_mem|alloc_mem|mem)$|must be referenced when passed to release function|unacquired reference`,
		"A ring buffer record is submitted or discarded twice, or was never reserved.",
		"Leave the function right after the first gadget_submit_buf() or gadget_discard_buf()."),
	because(`math between \w+ pointer and register with unbounded|unbounded memory access|value is negative`,
		"An index or length may be negative or has no upper bound, as far as the verifier sees.",
		"Make it unsigned and compare it with a constant right before its use: if (n > MAX) return 0; or mask it: n &= MAX - 1;"),
	because(`invalid access to map value|invalid access to memory|(max|min) value is outside of the allowed memory range|invalid access to map key`,
		"Memory is accessed outside of the map value or record it belongs to.",
		"Bound the index by the number of elements; mind that it counts elements and not bytes."),
	because(`invalid indirect read from stack|invalid read from stack R\d+ off -\d+\+|uninitialized stack`,
		"The program passes stack memory that it has not written entirely.",
		"Initialise the variable, padding included: struct key key = {}; or __builtin_memset()."),
	because(`invalid (indirect )?(access to|read from|write to|stack) (stack|type)|invalid stack type|invalid read from stack R\d+ off=|invalid write to stack`,
		"A helper gets less stack memory than it reads or writes.",
		"Pass a variable of the size that the map or the helper expects: key and value of a map have the types of its definition."),
	because(`combined stack size|stack depth .* exceeds|looks like the BPF stack limit|stack size of \d+ calls`,
		"The program needs more than 512 bytes of stack, called functions included.",
		"Move large variables into a map of type BPF_MAP_TYPE_PERCPU_ARRAY with one entry, or into the reserved event."),
	because(`infinite loop detected|back-edge`,
		"A loop has no end that the verifier can see.",
		"Count with a constant limit: for (int i = 0; i < 100; i++), or use bpf_loop() on kernels since 5.17."),
	because(`too many states|BPF program is too large|jumps is too complex|is too complex|processed \d+ insns.*limit`,
		"The program has more paths than the verifier follows.",
		"Lower the limits of loops, or give their bodies to bpf_loop() (Linux 5.17); move checks out of loops."),
	because(`unknown func bpf_|program of this type cannot use helper|invalid func unknown`,
		"This kernel, or this type of program, does not have a helper function that the program calls.",
		"bpf-helpers(7) lists the types of programs for each helper; alternatives in gadget.yaml give older kernels another program."),
	because(`helper call might sleep|sleepable`,
		"A helper that may sleep is called by a program that must not.",
		"Use its variant that does not sleep, such as bpf_probe_read_user(), or a sleepable section such as SEC(\"fentry.s/…\")."),
	because(`cannot call GPL-restricted function`,
		"A helper may only be called by programs under the GPL.",
		"Add: char LICENSE[] SEC(\"license\") = \"GPL\";"),
	because(`R\d+ type=\S+ expected=`,
		"A helper gets a value of another kind than it takes.",
		"Look at what is known of the register above: a number where a pointer is wanted often comes from the context or from another struct."),
	because(`invalid bpf_context access`,
		"The program reads a part of its context that does not exist, or that its type may not read.",
		"Check the context's struct and the number of arguments of the hook."),
	because(`write into map forbidden|cannot write into rdonly|cannot write into`,
		"The program writes to memory that it may only read.",
		"const volatile variables are set before the program is loaded; keep what changes in a map or in a global that is not const."),
	because(`pointer arithmetic with \S+ operator prohibited|bitwise operator \S+ on pointer prohibited|pointer arithmetic prohibited|pointer -= pointer prohibited`,
		"Something else than an addition or a subtraction is done to a pointer.",
		"Do the arithmetic on numbers, and add the result to the pointer last."),
	because(`!read_ok`,
		"A variable is read that was never written on this path.",
		"Initialise it where it is declared; let the compiler's -Wall find it."),
	because(`At program exit the register R0|R0 has unknown scalar value should have been`,
		"The program returns a value that its type does not allow.",
		"Return 0; only types such as lsm and cgroup give other values a meaning."),
	because(`access beyond (struct|the end)|access beyond the end of member`,
		"A read goes beyond the end of the kernel's struct.",
		"Use the member's name with BPF_CORE_READ(), so that its place follows the kernel."),
	because(`offset is outside of the packet|invalid access to packet|helper access to the packet`,
		"A packet is read beyond what was compared with data_end.",
		"Before every access: if (data + offset + size > data_end) return 0; or copy with bpf_skb_load_bytes()."),
	because(`(function calls|calls) are not allowed while holding a lock|holding a lock|inside bpf_spin_lock`,
		"A function is called while a bpf_spin_lock is held.",
		"Prepare the values before bpf_spin_lock(), and only copy them while it is held."),
	because(`misaligned`,
		"Memory is accessed at an address that is no multiple of its size.",
		"Leave __attribute__((packed)) out, or read it with bpf_probe_read_kernel()."),
	because(`unreachable insn|last insn is not an exit|jump out of range|fallthrough`,
		"The compiler found that a path ends nowhere, mostly because of undefined behaviour, and left its end out.",
		"Look for a missing return, a shift by too much, or a division by a constant 0."),
	because(`back to back|attach_btf_id|is not a known|not found in kernel BTF`,
		"The program refers to a function or type that this kernel does not have.",
		"Mark the program optional in gadget.yaml, or list alternatives for it."),
}

// explain finds what a message means: by the last word, else by anything said
// after the instruction at which the verifier stopped.
func explain(reason, said string) (why, fix string) {
	for _, text := range []string{reason, said} {
		for _, c := range causes {
			if c.pattern.MatchString(text) {
				return c.cause, c.fix
			}
		}
	}
	return "", ""
}

package builder

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// What clang says of the usual mistakes with headers.
var (
	missingHeader = regexp.MustCompile(`fatal error: '([^']+)' file not found`)
	redefinition  = regexp.MustCompile(`(?m)^(\S+?):\d+:\d+: error: (?:redefinition of '(\w+)'|typedef redefinition|redeclaration of enumerator)`)
	undeclared    = regexp.MustCompile(`error: call to undeclared (?:library )?function '([A-Za-z_0-9]+)'`)
)

// libc are headers of the C library that people include out of habit, with what an
// eBPF program uses instead.
var libc = map[string]string{
	"stdio.h":     "bpf_printk() prints for debugging",
	"stdlib.h":    "there is no heap: use maps",
	"string.h":    "__builtin_memcpy() and __builtin_memset() are there, and bpf_strncmp()",
	"stdint.h":    "vmlinux.h has __u8 to __u64",
	"stddef.h":    "vmlinux.h has size_t, bpf_helpers.h has offsetof()",
	"stdbool.h":   "vmlinux.h has bool",
	"errno.h":     "include <linux/errno.h>, or write the number",
	"unistd.h":    "system calls are what a program traces, not what it makes",
	"fcntl.h":     "include <linux/fcntl.h> in programs without vmlinux.h, else write the number",
	"signal.h":    "vmlinux.h has the kernel's types",
	"time.h":      "bpf_ktime_get_boot_ns() is the clock",
	"assert.h":    "_Static_assert() is there",
	"pthread.h":   "use bpf_spin_lock, or __sync_fetch_and_add()",
	"arpa/inet.h": "bpf/bpf_endian.h has bpf_ntohs() and bpf_htonl()",
}

// hints finds the usual mistakes in what clang says, and tells what to do.
func hints(diagnostics []byte) []string {
	text := string(diagnostics)
	var out []string
	add := func(format string, args ...any) {
		if hint := fmt.Sprintf(format, args...); !slices.Contains(out, hint) {
			out = append(out, hint)
		}
	}
	for _, m := range missingHeader.FindAllStringSubmatch(text, -1) {
		instead, known := libc[m[1]]
		switch {
		case known, strings.HasPrefix(m[1], "sys/"), strings.HasPrefix(m[1], "netinet/"):
			if !known {
				instead = "the kernel's types are in vmlinux.h"
			}
			add("%s belongs to the C library, which eBPF programs do not have; %s", m[1], instead)
		case strings.HasPrefix(m[1], "gadget/"):
			add("gadget headers -o DIR writes all headers that there are")
		}
	}
	for _, m := range redefinition.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(text, "vmlinux.h") {
			break
		}
		if m[2] != "" && strings.HasSuffix(m[1], ".c") {
			add("%s is a type of the kernel: choose another name", m[2])
			continue
		}
		add("vmlinux.h already has all types of the kernel: leave out what else defines them (<linux/…>, <asm/…>, <stdint.h>), and define the macros that you need from there yourself")
	}
	for _, m := range undeclared.FindAllStringSubmatch(text, -1) {
		if strings.HasPrefix(m[1], "bpf_") {
			add("%s: include <bpf/bpf_helpers.h> before its first use; helpers are listed in bpf-helpers(7)", m[1])
		} else {
			add("%s() is a function of the C library, which eBPF programs do not have", m[1])
		}
	}
	return out
}

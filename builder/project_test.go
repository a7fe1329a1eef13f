package builder

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestHints compiles programs with the usual mistakes.
func TestHints(t *testing.T) {
	for _, tt := range []struct{ name, source, want string }{
		{"libc", "#include <stdio.h>\n", "stdio.h belongs to the C library, which eBPF programs do not have; bpf_printk() prints"},
		{"sys", "#include <sys/socket.h>\n", "sys/socket.h belongs to the C library"},
		{"ours", "#include <gadget/nothing.h>\n", "gadget headers -o DIR"},
		{"mixed", "#include <vmlinux.h>\n#include <linux/in.h>\n", "vmlinux.h already has all types of the kernel"},
		{"mixed with clang's", "#include <vmlinux.h>\n#include <stdint.h>\n", "vmlinux.h already has all types of the kernel"},
		{"a name of the kernel's", "#include <vmlinux.h>\nstruct sample { int x; };\n", "sample is a type of the kernel: choose another name"},
		{"helper", "int f(void) { return bpf_get_smp_processor_id(); }\n", "include <bpf/bpf_helpers.h>"},
		{"function", "int f(const char *s) { return strlen(s); }\n", "strlen() is a function of the C library"},
		{"anything else", "int f(void) { return nowhere; }\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "program.bpf.c")
			if err := os.WriteFile(file, []byte(tt.source), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Compile(t.Context(), file, "linux/amd64", Options{})
			var compile *CompileError
			if !errors.As(err, &compile) {
				t.Fatal(err)
			}
			text := strings.Join(compile.Hints, "\n")
			if tt.want == "" && text != "" || !strings.Contains(text, tt.want) {
				t.Errorf("hints %q, want %q, for\n%s", text, tt.want, compile.Diagnostics)
			}
		})
	}
}

// TestWriteHeaders compiles a program by nothing but what was written.
func TestWriteHeaders(t *testing.T) {
	dir := t.TempDir()
	program := "#include <vmlinux.h>\n#include <bpf/bpf_tracing.h>\n#include <gadget/filter.h>\nint x = sizeof(struct gadget_process);\n"
	if err := os.WriteFile(filepath.Join(dir, "program.bpf.c"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	clang, err := FindClang(t.Context(), os.Getenv("PATH"))
	if err != nil {
		t.Fatal(err)
	}
	for _, platform := range []string{"linux/arm64", "linux/amd64"} {
		if err := WriteHeaders(dir, platform); err != nil {
			t.Fatal(err)
		}
		flags, err := os.ReadFile(filepath.Join(dir, FlagsFile))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(clang.Path, append(strings.Fields(string(flags)), "-Werror", "-fsyntax-only", "program.bpf.c")...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", platform, err, out)
		}
	}
	if err := WriteHeaders(dir, "linux/vax"); err == nil {
		t.Error("headers for a VAX")
	}
	if err := WriteHeaders(filepath.Join(dir, "a", "b"), "linux/amd64"); err == nil {
		t.Error("made the parent of a directory")
	}
	mine := filepath.Join(dir, FlagsFile)
	if err := os.WriteFile(mine, []byte("-Wall\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteHeaders(dir, "linux/amd64"); err == nil || !strings.Contains(err.Error(), "with other flags") {
		t.Errorf("replaced the user's file: %v", err)
	}
}

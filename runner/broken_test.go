package runner

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// made compiles a tracer whose event struct has these members.
func made(t *testing.T, events, members string) []byte {
	t.Helper()
	dir := t.TempDir()
	source := fmt.Sprintf(`#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>

struct event {
%s
};

%s
GADGET_TRACER(made, events, event);

SEC("raw_tp/sys_enter")
int nothing(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
`, members, events)
	if err := os.WriteFile(filepath.Join(dir, "program.bpf.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return gadgettest.Object(t, dir)
}

const (
	ringEvents = "GADGET_TRACER_MAP(events, 1024 * 256);"
	perfEvents = "struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } events SEC(\".maps\");"
)

// TestLargeEvents runs gadgets whose events are larger than any buffer's record.
func TestLargeEvents(t *testing.T) {
	gadgettest.NeedRoot(t)
	for _, tt := range []struct {
		name, events, members string
		buffer                int
		want                  string
	}{
		{"ring", ringEvents, "__u8 data[4194304];", 0, "struct event has 4194304 bytes, its buffer has room for 4194296"},
		{"larger ring", ringEvents, "__u8 data[4194304];", 8 << 20, ""},
		{"small ring", ringEvents, "__u8 data[8192];", 4096, "struct event has 8192 bytes, its buffer has room for 4088"},
		{"perf buffer", perfEvents, "__u8 data[65520];", 0, "struct event has 65520 bytes, its buffer has room for 65511"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := plan.New(made(t, tt.events, tt.members), nil)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err = Run(ctx, p, Options{BufferSize: tt.buffer, Ready: cancel})
			var tooLarge *BufferError
			if tt.want == "" && err != nil || tt.want != "" && (!errors.As(err, &tooLarge) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// TestManyFields plans a struct with more fields than anybody can read.
func TestManyFields(t *testing.T) {
	var members strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&members, "\t__u32 f%d;\n", i)
	}
	_, err := plan.New(made(t, ringEvents, members.String()), nil)
	if err == nil || !strings.Contains(err.Error(), "GADGET_TRACER made: struct has more than 4096 fields") {
		t.Error(err)
	}
}

// goType matches what only somebody who knows this program's source can read.
var goType = regexp.MustCompile(`\*(ebpf|btf|asm|link|plan|event|runner|errors|fmt)\.[A-Z]|0x[0-9a-f]{9,}|nil pointer|%!`)

// TestBrokenObjects damages every part of an object that the kernel or a library
// reads. Whatever comes of it runs or is refused with an error for people.
func TestBrokenObjects(t *testing.T) {
	gadgettest.NeedRoot(t)
	object := gadgettest.Object(t, "testdata/flood")
	file, err := elf.NewFile(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, s := range file.Sections {
		if s.Type == elf.SHT_NOBITS || s.Size == 0 {
			continue
		}
		for i := range uint64(6) {
			broken := bytes.Clone(object)
			at := s.Offset + s.Size*i/6
			broken[at] ^= 0xff
			p, err := plan.New(broken, nil)
			if err == nil {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				_, err = Run(ctx, p, Options{Host: true, Ready: cancel})
				cancel()
			}
			if err == nil {
				continue
			}
			refused++
			if text := err.Error(); text == "" || goType.MatchString(text) {
				t.Errorf("section %s, byte %d: %s", s.Name, at-s.Offset, text)
			}
		}
	}
	if refused < 10 {
		t.Errorf("only %d of the broken objects were refused", refused)
	}
}

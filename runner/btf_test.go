package runner

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
)

// archive is a tar.gz of files.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	out := tar.NewWriter(zip)
	for name, content := range files {
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestFindTypes(t *testing.T) {
	packed := archive(t, map[string]string{
		"./debian/12/x86_64/6.1.0.btf": "six", "debian/12/arm64/6.1.0.btf": "arm", "debian/12/x86_64/6.1.0.btf.old": "old",
	})
	for name, want := range map[string]string{
		"debian/12/x86_64/6.1.0.btf": "six", "debian/12/arm64/6.1.0.btf": "arm", "debian/11/x86_64/6.1.0.btf": "", "6.1.0.btf": "",
	} {
		if got, err := findTypes(packed, name); string(got) != want || err != nil {
			t.Errorf("%s: %q, error %v, want %q", name, got, err, want)
		}
	}
	for _, bad := range [][]byte{[]byte("no archive"), packed[:20], packed[:len(packed)/2]} {
		if got, err := findTypes(bad, "none"); err == nil {
			t.Errorf("%.10q: %q", bad, got)
		}
	}
}

func TestParseOSRelease(t *testing.T) {
	for text, want := range map[string]string{
		"PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\nVERSION_ID=\"12\"\n": "debian 12",
		"ID='ubuntu'\nVERSION_ID='20.04'":                                     "ubuntu 20.04",
		"ID=arch\nID_LIKE=other\n":                                            "arch ",
		"":                                                                    " ",
	} {
		if id, version := parseOSRelease(text); id+" "+version != want {
			t.Errorf("%q: %s %s, want %s", text, id, version, want)
		}
	}
}

// TestGivenTypes runs a gadget with the kernel's own types from a file.
func TestGivenTypes(t *testing.T) {
	gadgettest.NeedRoot(t)
	own, err := os.ReadFile(btfPath)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "types")
	if err := os.WriteFile(file, own, 0o600); err != nil {
		t.Fatal(err)
	}
	p := gadgettest.Plan(t, "testdata/tasks")
	for _, given := range []string{"", file} {
		var out bytes.Buffer
		if _, err := Run(t.Context(), p, Options{Host: true, Out: &out, Encoder: json, BTF: given}); err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf(`"pid":%d,`, os.Getpid()); !strings.Contains(out.String(), want) {
			t.Errorf("types %q: this process is not in %.200s", given, out.String())
		}
	}
}

// TestWrongTypes checks what is said of files that are not the kernel's types.
func TestWrongTypes(t *testing.T) {
	gadgettest.NeedRoot(t)
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	tests := []struct{ file, want string }{
		{filepath.Join(dir, "none"), "no such file"},
		{write("text", []byte("this is no BTF at all, but text")), "is neither BTF nor an ELF file with BTF"},
		{write("empty", nil), "is neither BTF nor an ELF file with BTF"},
		{write("object", gadgettest.Object(t, "testdata/tasks")), "is an eBPF program, which has types of its own only"},
		{"/proc/self/exe", "has no section .BTF"},
		{dir, "is neither BTF nor an ELF file with BTF"},
	}
	p := gadgettest.Plan(t, "testdata/tasks")
	for _, tt := range tests {
		_, err := Run(t.Context(), p, Options{Host: true, BTF: tt.file})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.file) {
			t.Errorf("%s: error %v, want %q", tt.file, err, tt.want)
		}
	}
}

// TestFewTypes runs a gadget with types that are enough for it, and not for
// watching containers: it goes on without their names, unless they matter.
func TestFewTypes(t *testing.T) {
	gadgettest.NeedRoot(t)
	b, err := btf.NewBuilder([]btf.Type{&btf.Struct{Name: "nothing", Size: 4}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.NativeEndian})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Host: true, BTF: filepath.Join(t.TempDir(), "few"), Encoder: json}
	if err := os.WriteFile(o.BTF, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	const source = `#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/macros.h>
#include <gadget/types.h>
struct event { gadget_mntns_id mntns_id; };
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } events SEC(".maps");
GADGET_TRACER(few, events, event);
SEC("raw_tp/sys_enter") int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	event->mntns_id = 1;
	bpf_ringbuf_submit(event, 0);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
`
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "program.bpf.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	p := gadgettest.Plan(t, dir)
	o.MaxEvents = 1
	noticed := ""
	o.Notice = func(text string) { noticed = text }
	if report, err := Run(t.Context(), p, o); err != nil || report.Sources[0].Delivered != 1 || !strings.Contains(noticed, "containers are not known") {
		t.Errorf("error %v, report %+v, notice %q", err, report, noticed)
	}
	o.Host = false
	if _, err := Run(t.Context(), p, o); err == nil || !strings.Contains(err.Error(), "load container tracker") {
		t.Errorf("error %v", err)
	}
}

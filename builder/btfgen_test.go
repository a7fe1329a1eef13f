package builder

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz"
)

// relocations are those of all programs of an object.
func relocations(t *testing.T, object []byte) []*btf.CORERelocation {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	var all []*btf.CORERelocation
	for _, prog := range spec.Programs {
		for i := range prog.Instructions {
			if r := btf.CORERelocationMetadata(&prog.Instructions[i]); r != nil {
				all = append(all, r)
			}
		}
	}
	return all
}

// relocate says what relocations come to with these types of the kernel.
func relocate(t *testing.T, all []*btf.CORERelocation, kernel *btf.Spec) []string {
	t.Helper()
	fixups, err := btf.CORERelocate(all, []*btf.Spec{kernel}, binary.LittleEndian, func(btf.Type) (btf.TypeID, error) { return 0, nil })
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for i := range fixups {
		text = append(text, fixups[i].String())
	}
	return text
}

// TestReduceTypes relocates shipped gadgets by all types of the running kernel and
// by those that are left of them, and expects the same of both.
func TestReduceTypes(t *testing.T) {
	kernel, err := btf.LoadKernelSpec()
	if errors.Is(err, btf.ErrNotSupported) {
		t.Skip("this kernel does not describe itself")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, gadget := range []string{"trace_exec", "trace_open", "snapshot_file"} {
		object, err := Compile(t.Context(), "../gadgets/"+gadget+"/program.bpf.c", "linux/amd64", Options{})
		if err != nil {
			t.Fatal(err)
		}
		names, err := relocatedTypes(object)
		if err != nil || !slices.Contains(names, "task_struct") {
			t.Fatalf("%s: types %v, error %v", gadget, names, err)
		}
		raw, err := reduceTypes(kernel, names)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > 200<<10 {
			t.Errorf("%s: %d bytes are left", gadget, len(raw))
		}
		reduced, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		all := relocations(t, object)
		t.Logf("%s: %d relocations, %d types, %d bytes", gadget, len(all), len(names), len(raw))
		if diff := cmp.Diff(relocate(t, all, kernel), relocate(t, all, reduced)); diff != "" || len(all) == 0 {
			t.Errorf("%s: %d relocations: %s", gadget, len(all), diff)
		}
	}
}

// smallKernel is the BTF of a kernel with two types.
func smallKernel(t *testing.T) []byte {
	t.Helper()
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	b, err := btf.NewBuilder([]btf.Type{
		&btf.Struct{Name: "task_struct", Size: 8, Members: []btf.Member{{Name: "pid", Type: number, Offset: 32}}},
		&btf.Struct{Name: "unused", Size: 4, Members: []btf.Member{{Name: "x", Type: number}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// writeFile writes a file below a directory; with xz in a .tar.xz.
func writeFile(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".tar.xz") {
		var packed bytes.Buffer
		zip, err := xz.NewWriter(&packed)
		if err != nil {
			t.Fatal(err)
		}
		out := tar.NewWriter(zip)
		header := &tar.Header{Name: strings.TrimSuffix(filepath.Base(name), ".tar.xz"), Size: int64(len(content)), Mode: 0o644, Typeflag: tar.TypeReg}
		if err := out.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(out.Close(), zip.Close()); err != nil {
			t.Fatal(err)
		}
		content = packed.Bytes()
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestKernelTypes checks which files of an archive come into the layer of which machine.
func TestKernelTypes(t *testing.T) {
	dir := t.TempDir()
	kernel := smallKernel(t)
	for _, name := range []string{
		"debian/12/x86_64/6.1.0.btf", "debian/12/arm64/6.1.0.btf", "ubuntu/20.04/x86_64/5.4.0.btf.tar.xz",
		"debian/12/x86_64/6.1.0.txt", "x86_64/lost.btf",
	} {
		writeFile(t, dir, name, kernel)
	}
	object, err := Compile(t.Context(), "../gadgets/trace_exec/program.bpf.c", "linux/amd64", Options{})
	if err != nil {
		t.Fatal(err)
	}
	types := KernelTypes{Archive: dir}
	for arch, want := range map[string][]string{
		"amd64": {"debian/12/x86_64/6.1.0.btf", "ubuntu/20.04/x86_64/5.4.0.btf"}, "arm64": {"debian/12/arm64/6.1.0.btf"},
	} {
		layer, err := types.layer(arch, object)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := types.layer(arch, object); err != nil || !bytes.Equal(layer, again) {
			t.Errorf("%s: a second build is different, error %v", arch, err)
		}
		if got := readLayer(t, layer); !slices.Equal(got, want) {
			t.Errorf("%s: files %v, want %v", arch, got, want)
		}
	}

	empty := KernelTypes{Archive: t.TempDir()}
	if _, err := empty.layer("amd64", object); err == nil || !strings.Contains(err.Error(), "there is no file ID/VERSION/x86_64/*.btf") {
		t.Errorf("error %v", err)
	}
	none := KernelTypes{Archive: dir + "/none"}
	if _, err := none.layer("amd64", object); err == nil {
		t.Error("an archive that is not there is taken")
	}
	writeFile(t, dir, "debian/12/x86_64/bad.btf", []byte("no types"))
	if _, err := types.layer("amd64", object); err == nil || !strings.Contains(err.Error(), "debian/12/x86_64/bad.btf") {
		t.Errorf("error %v", err)
	}
}

// readLayer checks that each file has the one type that the gadget needs, and
// returns their names.
func readLayer(t *testing.T, layer []byte) (names []string) {
	t.Helper()
	unzip, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	files := tar.NewReader(unzip)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
		raw, err := io.ReadAll(files)
		if err != nil {
			t.Fatal(err)
		}
		spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		var task *btf.Struct
		if err := spec.TypeByName("task_struct", &task); err != nil || task.Members[0].Offset != 32 {
			t.Errorf("%s: %v, error %v", header.Name, task, err)
		}
		if _, err := spec.AnyTypeByName("unused"); err == nil {
			t.Errorf("%s: has a type that no relocation starts at", header.Name)
		}
	}
}

// FuzzRelocationTypes reads .BTF.ext of strangers.
func FuzzRelocationTypes(f *testing.F) {
	header := make([]byte, 32)
	binary.LittleEndian.PutUint16(header, 0xeb9f)
	binary.LittleEndian.PutUint32(header[4:], 32)
	binary.LittleEndian.PutUint32(header[28:], 28)
	f.Add(append(header, 16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, ext []byte) {
		ids, err := relocationTypes(ext)
		if len(ids)*16 > len(ext) {
			t.Errorf("%d relocations in %d bytes, error %v", len(ids), len(ext), err)
		}
	})
}

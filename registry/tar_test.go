package registry

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestTarIsReproducible(t *testing.T) {
	var all [][]byte
	for range 3 {
		s := testStore(t)
		d := put(t, s, testImage("x"), "acme/tool:v1", "acme/other:v2")
		sign(t, s, d, "acme/tool:v1")
		put(t, s, testImage("y"), "acme/second:v1")
		path := filepath.Join(t.TempDir(), "f.tar")
		saveTar(t, path, s, ref(t, "acme/tool:v1"), ref(t, "acme/second:v1"))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	if !bytes.Equal(all[0], all[1]) || !bytes.Equal(all[1], all[2]) {
		t.Error("the same images make different archives")
	}
	r := tar.NewReader(bytes.NewReader(all[0]))
	for {
		h, err := r.Next()
		if err != nil {
			break
		}
		if h.Typeflag != tar.TypeReg || !(strings.HasPrefix(h.Name, "blobs/sha256/") || h.Name == indexFile || h.Name == ocispec.ImageLayoutFile) {
			t.Errorf("entry %q of type %c", h.Name, h.Typeflag)
		}
	}
}

// tarOf makes an archive of these headers, each followed by as many bytes as it says.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		h.Mode = 0o644
		text := ""
		if h.Typeflag == tar.TypeReg {
			text = "x"
			if strings.HasSuffix(h.Name, ocispec.ImageLayoutFile) {
				text = `{"imageLayoutVersion":"1.0.0"}`
			}
			if strings.HasSuffix(h.Name, indexFile) {
				text = `{"schemaVersion":2,"manifests":[]}`
			}
			h.Size = int64(len(text))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBadTars(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	layout, index := file("oci-layout"), file("index.json")
	huge := tarOf(t, layout, index)
	big := tar.Header{Typeflag: tar.TypeReg, Name: "blobs/sha256/x", Size: MaxLayer + 1, Mode: 0o644}
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&big); err != nil {
		t.Fatal(err)
	}
	huge = append(b.Bytes(), huge...)
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"good", tarOf(t, layout, index), ""},
		{"good with ./ and directories", tarOf(t, tar.Header{Typeflag: tar.TypeDir, Name: "./"}, tar.Header{Typeflag: tar.TypeDir, Name: "./blobs/"}, file("./oci-layout"), file("./index.json")), ""},
		{"up", tarOf(t, layout, file("../etc/passwd")), "leads out"},
		{"up inside", tarOf(t, layout, file("blobs/../../x")), "leads out"},
		{"absolute", tarOf(t, layout, file("/etc/passwd")), "leads out"},
		{"symlink", tarOf(t, tar.Header{Typeflag: tar.TypeSymlink, Name: "index.json", Linkname: "/etc/passwd"}), "is a link"},
		{"hard link", tarOf(t, tar.Header{Typeflag: tar.TypeLink, Name: "index.json", Linkname: "/etc/passwd"}), "is a link"},
		{"device", tarOf(t, tar.Header{Typeflag: tar.TypeChar, Name: "index.json"}), "no ordinary file"},
		{"pipe", tarOf(t, tar.Header{Typeflag: tar.TypeFifo, Name: "index.json"}), "no ordinary file"},
		{"twice", tarOf(t, layout, index, index), "twice"},
		{"huge", huge, "more than the"},
		{"no layout", tarOf(t, index), "no file \"oci-layout\""},
		{"cut off", tarOf(t, layout, index)[:520], "damaged"},
		{"gzip", []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), "gunzip"},
		{"text", []byte(strings.Repeat("hello world ", 100)), "no tar"},
		{"empty", nil, "no file \"oci-layout\""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f.tar")
			write(t, path, string(tt.data))
			a, err := OpenTar(path)
			if err == nil {
				defer a.Close()
				_, err = a.Names()
			}
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestTarDamage changes every byte region of an archive in turn: it is refused, or
// gives the same image, but never another one.
func TestTarDamage(t *testing.T) {
	s := testStore(t)
	name := ref(t, "acme/tool:v1")
	want := put(t, s, testImage("x"), name.String())
	path := filepath.Join(t.TempDir(), "f.tar")
	saveTar(t, path, s, name)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(good); at += 101 {
		bad := bytes.Clone(good)
		bad[at] ^= 0x11
		write(t, path, string(bad))
		a, err := OpenTar(path)
		if err != nil {
			continue
		}
		if d, err := a.Resolve(t.Context(), name.String()); err == nil {
			if img, err := Load(t.Context(), a, d); err == nil {
				if got, _ := Digest(img); got != want {
					t.Errorf("byte %d: another image, %s", at, got)
				}
			}
		}
		a.Close()
	}
}

func FuzzReadTar(f *testing.F) {
	file := func(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name} }
	f.Add(tarOf(f, file("oci-layout"), file("index.json")))
	f.Add(tarOf(f, file("../x")))
	f.Fuzz(func(t *testing.T, data []byte) {
		fsys, err := readTar(bytes.NewReader(data))
		if err != nil {
			return
		}
		for name, e := range fsys.files {
			if strings.HasPrefix(name, "/") || strings.Contains("/"+name+"/", "/../") || e.offset < 0 || e.size < 0 {
				t.Errorf("file %q at %+v", name, e)
			}
		}
		if l, err := OpenLayout(fsys); err == nil {
			_, _ = l.List(t.Context())
		}
	})
}

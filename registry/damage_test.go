package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/gadget-bpf/gadget/schemas"
)

func TestDamagedIndex(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"empty":       {"", "index.json is damaged: the file is empty (move it away"},
		"garbage":     {"\x00\x00", "index.json is damaged: invalid character"},
		"truncated":   {indexHead + `{"mediaType":"x"`, "index.json is damaged: the file ends in the middle"},
		"wrong types": {`{"schemaVersion":2,"manifests":{"a":1}}`, `index.json is damaged: a object where "manifests" has another type`},
		"version":     {`{"schemaVersion":1,"manifests":[]}`, "index.json is damaged: schema version 1 is unknown"},
		"digest":      {`{"schemaVersion":2,"manifests":[{"digest":"../../etc/passwd","size":1}]}`, `index.json is damaged: "../../etc/passwd" is no digest`},
	} {
		t.Run(name, func(t *testing.T) {
			s := testStore(t)
			put(t, s, testImage("a"), "a")
			file := filepath.Join(s.Dir(), indexFile)
			if err := os.WriteFile(file, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, resolveErr := s.Resolve(t.Context(), "b")
			_, putErr := s.Put(t.Context(), testImage("b"), ref(t, "b"))
			for what, err := range map[string]error{"resolve": resolveErr, "put": putErr} {
				if err == nil || !strings.Contains(err.Error(), "damaged: ") || what == "resolve" && !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: %v, want %s", what, err, c.want)
				}
			}
			if after, err := os.ReadFile(file); err != nil || string(after) != c.content {
				t.Errorf("the damaged file was changed: %q, %v", after, err)
			}
			if len(blobs(t, s)) < 8 {
				t.Error("blobs were deleted without knowing what is used")
			}
		})
	}
}

func TestDamagedBlobs(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(path string) error
		want   string
	}{
		"truncated": {func(p string) error { return os.Truncate(p, 3) }, "is damaged: it has 3 bytes instead of "},
		"changed": {func(p string) error {
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			data[0] ^= 1
			return errors.Join(os.Remove(p), os.WriteFile(p, data, 0o600))
		}, "is damaged: its content has another digest (remove the image"},
		"missing": {os.Remove, "is damaged: it is missing from store "},
		"link": {func(p string) error {
			return errors.Join(os.Rename(p, p+".real"), os.Symlink(p+".real", p))
		}, "is a symbolic link, which a store does not follow"},
		"pipe": {func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) }, "is no ordinary file"},
	} {
		t.Run(name, func(t *testing.T) {
			img := testImage("a")
			layer := digest.FromBytes(img.Platforms[0].Layers[0].Data)
			for _, victim := range []string{"index", "metadata", "layer"} {
				s := testStore(t)
				d := put(t, s, img, "a")
				target := map[string]digest.Digest{"index": d, "metadata": digest.FromString(metadata), "layer": layer}[victim]
				if err := c.damage(filepath.Join(s.Dir(), "blobs/sha256", target.Encoded())); err != nil {
					t.Fatal(err)
				}
				desc, err := s.Resolve(t.Context(), "a")
				if err != nil {
					t.Fatal(err)
				}
				if _, err = Load(t.Context(), s, desc); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: got %v, want %s", victim, err, c.want)
				}
				if name == "missing" || name == "truncated" || name == "changed" {
					put(t, s, img, "a")
					if _, err := s.Image(t.Context(), d); err != nil {
						t.Errorf("%s: building the image again did not mend it: %v", victim, err)
					}
				}
			}
		})
	}
}

func TestLinkedIndex(t *testing.T) {
	s := testStore(t)
	put(t, s, testImage("a"), "a")
	file := filepath.Join(s.Dir(), indexFile)
	if err := errors.Join(os.Rename(file, file+".real"), os.Symlink(file+".real", file)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), "index.json is a symbolic link") {
		t.Errorf("got %v", err)
	}
}

// foreign makes a layout of blobs that this package would not write.
type foreign struct{ fstest.MapFS }

func (f foreign) blob(mediaType string, v any) ocispec.Descriptor {
	data, ok := v.([]byte)
	if !ok {
		data, _ = json.Marshal(v)
	}
	d := content.NewDescriptorFromBytes(mediaType, data)
	f.MapFS["blobs/sha256/"+d.Digest.Encoded()] = &fstest.MapFile{Data: data}
	return d
}

func (f foreign) layout(t *testing.T, top ocispec.Descriptor, name string) *Layout {
	t.Helper()
	top.Annotations = map[string]string{ocispec.AnnotationRefName: name}
	index, err := json.MarshalIndent(map[string]any{"schemaVersion": 2, "manifests": []any{top}}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	f.MapFS["oci-layout"] = &fstest.MapFile{Data: []byte(`{"imageLayoutVersion": "1.0.0"}`)}
	f.MapFS["index.json"] = &fstest.MapFile{Data: index}
	l, err := OpenLayout(f.MapFS)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func on(d ocispec.Descriptor, arch string) ocispec.Descriptor {
	d.Platform = &ocispec.Platform{Architecture: arch, OS: "linux"}
	return d
}

func TestLenientReading(t *testing.T) {
	f := foreign{fstest.MapFS{}}
	config := f.blob(schemas.MediaTypeConfig, []byte("name: old\n"))
	program := f.blob(schemas.MediaTypeProgram, []byte("elf"))
	other := f.blob("application/x-later", []byte("later"))
	// Neither mediaType nor artifactType, a second amd64, and an attestation.
	first := f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "config": config, "layers": []any{other, program}})
	second := f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "config": config, "layers": []any{}})
	top := f.blob(ocispec.MediaTypeImageIndex, map[string]any{"schemaVersion": 2, "manifests": []any{
		on(second, "unknown"), second, on(first, "amd64"), on(second, "amd64"), on(second, "s390x")}})
	l := f.layout(t, top, "latest")
	desc, err := l.Resolve(t.Context(), "latest")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(t.Context(), l, desc)
	want := &schemas.Image{Metadata: []byte("name: old\n"), Platforms: []schemas.Platform{
		{OS: "linux", Arch: "amd64", Layers: []schemas.Layer{{MediaType: "application/x-later", Data: []byte("later")}, {MediaType: schemas.MediaTypeProgram, Data: []byte("elf")}}},
		{OS: "linux", Arch: "s390x"},
	}}
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v (-want +got):\n%s", err, cmp.Diff(want, got))
	}
	if img, err := l.Image(t.Context(), desc.Digest, "s390x"); err != nil || len(img.Platforms) != 1 {
		t.Errorf("by digest: %v, %v", img, err)
	}
	if _, err := l.Resolve(t.Context(), "ltest"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown name: %v", err)
	}
}

func TestNotAGadget(t *testing.T) {
	f := foreign{fstest.MapFS{}}
	empty := f.blob(schemas.MediaTypeEmptyJSON, []byte("{}"))
	image := f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "config": f.blob(ocispec.MediaTypeImageConfig, []byte("{ }")), "layers": []any{}})
	chart := f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "config": f.blob("application/vnd.cncf.helm.config.v1+json", []byte("{  }")), "layers": []any{}})
	gadget := f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "artifactType": schemas.ArtifactType, "config": empty, "layers": []any{}})
	sbom := f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "artifactType": "application/spdx+json", "config": empty, "layers": []any{}})
	wide := f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "artifactType": schemas.ArtifactType, "config": empty, "layers": make([]ocispec.Descriptor, 65)})
	huge, big := empty, empty
	huge.Size, big.Size = MaxManifest+1, MaxLayer+1
	fat := f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "artifactType": schemas.ArtifactType, "config": empty, "layers": []any{big}})
	index := func(m ocispec.Descriptor) ocispec.Descriptor {
		return f.blob(ocispec.MediaTypeImageIndex, map[string]any{"schemaVersion": 2, "manifests": []any{on(m, "amd64")}})
	}
	for name, c := range map[string]struct {
		top  ocispec.Descriptor
		want string
	}{
		"bare manifest":    {gadget, "is the manifest of one platform of a gadget; use the digest of the index"},
		"bare image":       {image, "is a container image"},
		"container image":  {index(image), "not a gadget image: " + short(image.Digest) + " is a container image"},
		"chart":            {index(chart), "is a Helm chart"},
		"other artifact":   {index(sbom), `is of type "application/spdx+json"`},
		"no JSON":          {f.blob("text/plain", []byte("hello")), `is of type "text/plain" and no index (invalid character`},
		"no platforms":     {f.blob(ocispec.MediaTypeImageIndex, map[string]any{"schemaVersion": 2, "manifests": []any{}}), "the image has no platform at all"},
		"many layers":      {index(wide), "65 layers, more than the 64"},
		"huge manifest":    {huge, "has 4194305 bytes, more than the 4194304 that are read"},
		"huge layer":       {index(fat), "has 268435457 bytes, more than the 268435456 that are read"},
		"manifest no JSON": {index(f.blob(ocispec.MediaTypeImageManifest, []byte("["))), "is no manifest: unexpected end of JSON input"},
		"manifest types":   {index(f.blob(ocispec.MediaTypeImageManifest, []byte(`{"layers":"x"}`))), `is no manifest: a string where "layers" has another type`},
		"wrong digest":     {index(ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: "sha256:../../x", Size: 1}), `names a blob by "sha256:../../x", which is no digest`},
	} {
		t.Run(name, func(t *testing.T) {
			l := f.layout(t, c.top, "x")
			_, err := Load(t.Context(), l, c.top)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			var kind *NotGadgetError
			if strings.Contains(c.want, " is ") && !strings.Contains(c.want, "no manifest") && !strings.Contains(c.want, "no digest") && !errors.As(err, &kind) {
				t.Errorf("not a NotGadgetError: %#v", err)
			}
		})
	}
}

func TestOpenLayout(t *testing.T) {
	if _, err := OpenLayout(fstest.MapFS{}); err == nil || !strings.Contains(err.Error(), `it has no file "oci-layout", so it is no OCI image layout`) {
		t.Errorf("empty: %v", err)
	}
	l, err := OpenLayout(fstest.MapFS{"oci-layout": {Data: []byte(`{"imageLayoutVersion":"1.0.0"}`)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Resolve(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "index.json") {
		t.Errorf("no index: %v", err)
	}
	s := testStore(t)
	d := put(t, s, testImage("a"), "trace_exec")
	l, err = OpenLayout(os.DirFS(s.Dir()))
	if err != nil {
		t.Fatal(err)
	}
	desc, err := l.Resolve(t.Context(), "trace_exec")
	if err != nil || desc.Digest != d {
		t.Errorf("a store is a layout: %v, %v", desc, err)
	}
	if _, err := l.Resolve(t.Context(), "nothing"); err == nil || !strings.Contains(err.Error(), `image "nothing" not found in the image layout`) {
		t.Errorf("got %v", err)
	}
}

// TestSkopeo lets another implementation read our store and us read its.
func TestSkopeo(t *testing.T) {
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not installed")
	}
	s := testStore(t)
	d := put(t, s, testImage("a"), "me/thing:v1")
	out, err := exec.Command("skopeo", "inspect", "--raw", "oci:"+s.Dir()+":ghcr.io/me/thing:v1").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if digest.FromBytes(out) != d {
		t.Errorf("skopeo shows something else: %s", out)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("skopeo", "copy", "--quiet", "--all", "oci:"+s.Dir()+":ghcr.io/me/thing:v1", "oci:"+dir+":v1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := OpenLayout(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	desc, err := l.Resolve(t.Context(), "v1")
	if err != nil || desc.Digest != d {
		t.Fatalf("the copy: %+v, %v", desc, err)
	}
	got, err := Load(t.Context(), l, desc)
	if diff := cmp.Diff(testImage("a"), got); err != nil || diff != "" {
		t.Errorf("the copy: %v\n%s", err, diff)
	}
	// The other tool adds to our index and both stay readable.
	if out, err := exec.Command("skopeo", "copy", "--quiet", "--all", "oci:"+dir+":v1", "oci:"+s.Dir()+":theirs").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(s.Dir(), indexFile))
	if err != nil || bytes.HasPrefix(data, []byte(indexHead)) {
		t.Fatalf("skopeo was to write the index its own way: %v", err)
	}
	put(t, s, testImage("b"), "b")
	for _, name := range []string{"theirs", "me/thing:v1", "b"} {
		if _, err := s.Resolve(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// hooked is a file system that tells what is opened.
type hooked struct {
	fs.FS
	opens func(name string)
}

func (h hooked) Open(name string) (fs.File, error) {
	h.opens(name)
	return h.FS.Open(name)
}

// TestRemovedWhileListed removes an image just when it is read for the list: it is
// not there, rather than damaged. One that has lost a part is.
func TestRemovedWhileListed(t *testing.T) {
	s := testStore(t)
	gone, broken := put(t, s, testImage("gone"), "gone"), put(t, s, testImage("broken"), "broken")
	put(t, s, testImage("whole"), "whole")
	if err := os.Remove(s.blobPath(ocispec.Descriptor{Digest: broken})); err != nil {
		t.Fatal(err)
	}
	l := s.Layout
	l.fsys = hooked{l.fsys, func(name string) {
		if _, err := s.Resolve(t.Context(), "gone"); err == nil && strings.HasSuffix(name, gone.Encoded()) {
			if _, err := s.Remove(t.Context(), "gone"); err != nil {
				t.Error(err)
			}
		}
	}}
	entries, err := l.List(t.Context())
	if err != nil || len(entries) != 2 || entries[0].Err == nil || entries[1].Err != nil {
		t.Errorf("%+v, %v", entries, err)
	}
}

package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/schemas"
)

// gadgetManifest adds a small gadget to a layout.
func (f foreign) gadgetManifest() ocispec.Descriptor {
	return f.blob(ocispec.MediaTypeImageManifest, map[string]any{
		"schemaVersion": 2, "artifactType": schemas.ArtifactType,
		"config": f.blob(schemas.MediaTypeConfig, []byte("name: x\n")),
		"layers": []any{f.blob(schemas.MediaTypeProgram, []byte("elf"))},
	})
}

func (f foreign) index(entries ...ocispec.Descriptor) ocispec.Descriptor {
	return f.blob(ocispec.MediaTypeImageIndex, map[string]any{"schemaVersion": 2, "manifests": entries})
}

// TestBoundedCopy copies images that are made to take forever or all memory.
func TestBoundedCopy(t *testing.T) {
	f := foreign{fstest.MapFS{}}
	gadget := on(f.gadgetManifest(), "amd64")
	deep := gadget
	for range maxDepth + 2 {
		deep = f.index(deep)
	}
	shallow := gadget
	for range maxDepth - 1 {
		shallow = f.index(shallow)
	}
	wide := []ocispec.Descriptor{gadget}
	for i := range maxManifests {
		wide = append(wide, f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "annotations": map[string]string{"n": fmt.Sprint(i)}}))
	}
	var layers []ocispec.Descriptor
	for i := range maxBlobs + 1 {
		layers = append(layers, ocispec.Descriptor{MediaType: "x", Digest: digest.FromString(fmt.Sprint(i)), Size: 1})
	}
	many := f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "layers": layers})
	negative := f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "layers": []ocispec.Descriptor{{MediaType: "x", Digest: someDigest, Size: -1}}})
	nameless := f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "layers": []any{map[string]any{"digest": "sha256:../../etc"}}})
	// An index that leads to itself cannot have the digest that it promises.
	cycle := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: someDigest}
	data, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []any{gadget, cycle}})
	if err != nil {
		t.Fatal(err)
	}
	cycle.Size = int64(len(data))
	f.MapFS["blobs/sha256/"+cycle.Digest.Encoded()] = &fstest.MapFile{Data: data}

	for name, c := range map[string]struct {
		top  ocispec.Descriptor
		want string
	}{
		"deep enough":   {f.index(gadget, shallow), ""},
		"too deep":      {f.index(gadget, deep), "more than 8 indexes inside each other"},
		"too wide":      {f.index(wide...), "more than 512 manifests"},
		"too many":      {f.index(gadget, many), "more than 4096 blobs"},
		"negative size": {f.index(gadget, negative), "has -1 bytes"},
		"no digest":     {f.index(gadget, nameless), "is no digest"},
		"cycle":         {cycle, "its content has another digest"},
		"cycle below":   {f.index(gadget, cycle), "its content has another digest"},
	} {
		t.Run(name, func(t *testing.T) {
			l := f.layout(t, c.top, "x")
			s := testStore(t)
			_, err := Copy(t.Context(), l, "x", s, ref(t, "x"), CopyOptions{})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if entries, err := s.Names(); err != nil || (len(entries) > 0) != (c.want == "") {
				t.Errorf("in the store: %v, %v", entries, err)
			}
		})
	}
}

// endless is a Source that has one more attachment for whatever is asked.
type endless struct {
	*Layout
	f  foreign
	mu *sync.Mutex // f is a map
}

func (e endless) Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.Layout.Fetch(ctx, d)
}

func (e endless) attachments(_ context.Context, subject ocispec.Descriptor) ([]attachment, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	one := e.f.blob(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "subject": plain(subject)})
	return []attachment{{one, subject.Digest, ""}}, nil
}

func TestEndlessAttachments(t *testing.T) {
	f := foreign{fstest.MapFS{}}
	l := f.layout(t, f.index(on(f.gadgetManifest(), "amd64")), "x")
	_, err := Copy(t.Context(), endless{l, f, &sync.Mutex{}}, "x", testStore(t), ref(t, "x"), CopyOptions{})
	if err == nil || !strings.Contains(err.Error(), "more than 512 manifests") {
		t.Errorf("got %v", err)
	}
}

// FuzzCopy copies an image of which any bytes are a part: a manifest below the index,
// something attached, and the index itself. It is refused, or comes out the same.
func FuzzCopy(f *testing.F) {
	packed, _, err := pack(testImage("a"))
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range packed {
		f.Add(b.data)
	}
	f.Add([]byte(`{"manifests":[{"digest":"` + someDigest + `","size":9,"mediaType":"` + ocispec.MediaTypeImageIndex + `"}],"subject":{"digest":"x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := foreign{fstest.MapFS{}}
		gadget := on(l.gadgetManifest(), "amd64")
		odd := l.blob(ocispec.MediaTypeImageManifest, data)
		for _, top := range []ocispec.Descriptor{l.index(gadget, odd), l.index(gadget, l.index(odd)), l.blob(ocispec.MediaTypeImageIndex, data)} {
			src := l.layout(t, top, "x")
			w := NewTarWriter(io.Discard)
			c, err := Copy(t.Context(), src, "x", w, Reference{Domain: "example.com", Path: "x", Tag: "v1"}, CopyOptions{})
			if err == nil && c.Digest != top.Digest {
				t.Fatalf("copied %s of %s", c.Digest, top.Digest)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

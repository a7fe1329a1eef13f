package registry

import (
	"errors"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/gadget-bpf/gadget/schemas"
)

// FuzzIndex reads any index.json, and finds in what we write of it the same
// entry with the fast search as with the slow one.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"`+someDigest+`","size":1,"annotations":{"org.opencontainers.image.ref.name":"a"}}],"annotations":{"a":"b"}}`), "a")
	f.Add([]byte(indexHead+`{"digest":"`+someDigest+`","annotations":{"org.opencontainers.image.ref.name":"ghcr.io/a/b:c"}}`+"\n]}\n"), "a/b:c")
	f.Add([]byte(indexHead+"]}\n"), "e3b0")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		l := &Layout{fsys: fstest.MapFS{indexFile: {Data: data}}, where: "here"}
		_, _ = l.Resolve(t.Context(), name)
		_, _ = l.Names()
		q, err := parseQuery(name)
		index, decodeErr := decodeIndex(data)
		if err != nil || decodeErr != nil {
			return
		}
		ours, err := encodeIndex(index)
		if err != nil {
			t.Fatal(err)
		}
		slow, _, slowFound, slowErr := q.inIndex(index)
		fast, fastFound, fastErr := q.in(ours)
		if slowFound != fastFound || slow.Digest != fast.Digest || (slowErr == nil) != (fastErr == nil) {
			t.Fatalf("slow: %v %v %v\nfast: %v %v %v", slow, slowFound, slowErr, fast, fastFound, fastErr)
		}
	})
}

// FuzzImage reads any bytes as the index, the manifest and the metadata of an image.
func FuzzImage(f *testing.F) {
	packed, _, err := pack(testImage("a"))
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range packed {
		f.Add(b.data, b.data)
	}
	f.Fuzz(func(t *testing.T, top, below []byte) {
		l := foreign{fstest.MapFS{}}
		config := l.blob(schemas.MediaTypeConfig, below)
		manifest := l.blob(ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, Config: config, Layers: []ocispec.Descriptor{config}})
		index := l.blob(ocispec.MediaTypeImageIndex, ocispec.Index{Manifests: []ocispec.Descriptor{on(manifest, "amd64"), on(config, "arm64")}})
		layout := l.layout(t, l.blob(ocispec.MediaTypeImageIndex, top), "x")
		for _, d := range []ocispec.Descriptor{content.NewDescriptorFromBytes(ocispec.MediaTypeImageIndex, top), index} {
			img, err := Load(t.Context(), layout, d)
			if (img == nil) != (err != nil) {
				t.Fatalf("image %v with error %v", img, err)
			}
		}
		if _, err := Load(t.Context(), layout, index, "amd64"); err != nil {
			t.Fatalf("any metadata is to be read: %v", err)
		}
	})
}

// TestGoroutines has one Store used by many goroutines.
func TestGoroutines(t *testing.T) {
	s := testStore(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name := string(rune('a'+i)) + "/x"
			img := testImage(name)
			for range 5 {
				d, err := s.Put(t.Context(), img, ref(t, name))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := s.Image(t.Context(), d.Digest); err != nil {
					t.Error(err)
				}
				if _, err := s.Remove(t.Context(), name); err != nil {
					t.Error(err)
				}
				if _, err := s.Resolve(t.Context(), name); !errors.Is(err, ErrNotFound) {
					t.Errorf("%s after removal: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
	if left := blobs(t, s); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

package registry

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/schemas"
)

// TestCollectionWaitsForWriters has one process in the middle of adding an image
// while another one deletes.
func TestCollectionWaitsForWriters(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	put(t, s, testImage("old"), "old")
	w, err := s.writer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	packed, root, err := pack(testImage("new"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range packed {
		if err := w.push(ctx, b); err != nil {
			t.Fatal(err)
		}
	}
	other, err := OpenStore(s.Dir(), StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := other.Remove(ctx, "old"); err != nil || !r.Deferred || r.Blobs != 0 {
		t.Errorf("remove while another writes: %+v, %v", r, err)
	}
	if _, err := w.tag(ctx, root, []Reference{ref(t, "new")}); err != nil {
		t.Fatal(err)
	}
	w.close()
	if _, err := s.Image(ctx, root.Digest); err != nil {
		t.Errorf("the image that was being added: %v", err)
	}
	if got := len(blobs(t, s)); got != 13 {
		t.Errorf("%d blobs, two images have 13", got)
	}
	// The next change deletes what could not be deleted then.
	if err := s.Tag(ctx, root.Digest, ref(t, "newer")); err != nil {
		t.Fatal(err)
	}
	if got := len(blobs(t, s)); got != 8 {
		t.Errorf("%d blobs, one image has 8", got)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), leftoversMark)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the mark is still there: %v", err)
	}
}

// TestCollectionKeeps what other tools put beside gadgets, and is not stopped by
// an image that has lost a part.
func TestCollectionKeeps(t *testing.T) {
	s := testStore(t)
	broken := put(t, s, testImage("broken"), "broken")
	info, err := s.Describe(t.Context(), broken)
	if err != nil {
		t.Fatal(err)
	}
	gadget := put(t, s, testImage("whole"), "whole")
	f := foreign{fstest.MapFS{}}
	layer := f.blob("application/x-signature", []byte("signature"))
	signature := f.blob(ocispec.MediaTypeImageManifest, map[string]any{
		"schemaVersion": 2, "config": f.blob(schemas.MediaTypeEmptyJSON, []byte("{}")), "layers": []any{layer},
		"subject": ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: gadget, Size: 1},
	})
	for name, file := range f.MapFS {
		if err := os.WriteFile(filepath.Join(s.Dir(), name), file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w, err := s.writer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = w.update(t.Context(), func(index *ocispec.Index) error {
		index.Manifests = append(index.Manifests, signature)
		return nil
	})
	w.close()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(s.Dir(), "blobs/sha256", info.Platforms[0].Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), "ingest", "half"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, s, testImage("x"), "x")
	if r, err := s.Remove(t.Context(), "x"); err != nil || r.Blobs < 5 {
		t.Errorf("remove: %+v, %v", r, err)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir(), "ingest")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for name := range f.MapFS {
		if _, err := os.Stat(filepath.Join(s.Dir(), name)); err != nil {
			t.Errorf("of the signature: %v", err)
		}
	}
	if _, err := s.Image(t.Context(), gadget); err != nil {
		t.Error(err)
	}
	entries, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]bool{}
	for _, e := range entries {
		verdicts[e.Reference.Familiar()] = e.Err == nil
	}
	if diff := cmp.Diff(map[string]bool{"whole:latest": true, "broken:latest": false}, verdicts); diff != "" {
		t.Errorf("readable (-want +got):\n%s", diff)
	}
}

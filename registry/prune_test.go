package registry

import (
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestPrune(t *testing.T) {
	s := testStore(t)
	if p, err := s.Prune(t.Context()); err != nil || len(p.Images) > 0 {
		t.Fatalf("a store that does not exist: %+v, %v", p, err)
	}
	kept := put(t, s, testImage("kept"), "tool:v1")
	attached := sign(t, s, kept, "tool:v1")
	nameless := put(t, s, testImage("nameless"))
	// What a killed process leaves behind: blobs that nothing leads to.
	if err := s.receive(t.Context(), func(r receiver) error {
		packed, _, err := pack(testImage("killed"))
		for _, b := range packed {
			if there, _ := r.has(t.Context(), b.Descriptor); err == nil && !there {
				err = r.push(t.Context(), b.Descriptor, b.open)
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	p, err := s.Prune(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Images, []digest.Digest{nameless}) || p.Blobs == 0 || p.Bytes == 0 || p.Deferred {
		t.Errorf("pruned %+v", p)
	}
	same(t, s, "tool:v1", kept, attached)
	before := len(blobFiles(t, s))
	if p, err := s.Prune(t.Context()); err != nil || len(p.Images) > 0 || p.Blobs > 0 || len(blobFiles(t, s)) != before {
		t.Errorf("pruned again: %+v, %v", p, err)
	}
}

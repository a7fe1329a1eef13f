package registry

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"
)

// TestUsage measures a store with shared blobs, an image without a name, signatures
// and leftovers, and holds what is said to be reclaimable against what Prune frees.
func TestUsage(t *testing.T) {
	s := testStore(t)
	if u, err := s.Usage(t.Context()); err != nil || u.Bytes() != 0 || len(u.Images) != 0 {
		t.Errorf("usage of nothing: %+v, error %v", u, err)
	}
	put(t, s, testImage("a"), "b", "a")
	signed := put(t, s, testImage("signed"), "signed")
	sign(t, s, signed, "signed")
	shared := testImage("a")
	shared.Annotations["another"] = "manifest"
	nameless := put(t, s, shared)
	stray := []byte("nothing leads here")
	write(t, filepath.Join(s.dir, "blobs", "sha256", digest.FromBytes(stray).Encoded()), string(stray))
	write(t, filepath.Join(s.dir, "ingest", "half"), "12345")

	u, err := s.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var onDisk int64
	for _, b := range blobFiles(t, s) {
		info, err := os.Stat(b)
		if err != nil {
			t.Fatal(err)
		}
		onDisk += info.Size()
	}
	if got, want := u.Bytes(), onDisk+5; got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	if want := (Space{2, int64(len(stray)) + 5}); u.Unused != want {
		t.Errorf("unused %+v, want %+v", u.Unused, want)
	}
	if len(u.Images) != 3 || !equal(u.Images[0].Names, []string{ref(t, "a").String(), ref(t, "b").String()}) || u.Images[2].Digest != nameless || u.Images[2].Tagged.IsZero() {
		t.Fatalf("images %+v", u.Images)
	}
	// It has its layers in common with a, and they are counted there.
	if last := u.Images[2]; last.Own == 0 || last.Own == last.Bytes || u.Nameless.Bytes != last.Own {
		t.Errorf("nameless %+v, of that %+v", u.Nameless, last)
	}
	// What is attached to an image belongs to it.
	g, err := survey(t.Context(), s, mustResolve(t, s, ref(t, "signed")), nil)
	if err != nil {
		t.Fatal(err)
	}
	var want int64
	for d := range g.seen {
		info, err := s.stat(d)
		if err != nil {
			t.Fatal(err)
		}
		want += info.Size()
	}
	if got := u.Images[1]; got.Bytes != want {
		t.Errorf("%s has %d bytes, want %d", got.Names, got.Bytes, want)
	}

	p, err := s.Prune(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Bytes+5, u.Reclaimable(); got != want {
		t.Errorf("prune freed %d bytes, %d were promised", got, want)
	}
	if u, err = s.Usage(t.Context()); err != nil || u.Reclaimable() != 0 || len(u.Images) != 2 {
		t.Errorf("after prune: %+v, error %v", u, err)
	}
}

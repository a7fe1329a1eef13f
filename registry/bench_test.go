package registry

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// fullStore makes a store with n images, without the care for crashes that
// makes writing slow. It returns its directory.
func fullStore(tb testing.TB, n int) string {
	tb.Helper()
	s := testStore(tb)
	put(tb, s, testImage("0"), "image0")
	index := &ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}}
	for i := range n {
		packed, root, err := pack(testImage(fmt.Sprint(i)))
		if err != nil {
			tb.Fatal(err)
		}
		for _, b := range packed {
			if _, err := os.Stat(s.blobPath(b.Descriptor)); err == nil {
				continue
			}
			if err := os.WriteFile(s.blobPath(b.Descriptor), b.data, 0o400); err != nil {
				tb.Fatal(err)
			}
		}
		setName(index, root, ref(tb, fmt.Sprintf("image%d", i)).String(), time.Unix(1e9, 0))
	}
	data, err := encodeIndex(index)
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), indexFile), data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return s.Dir()
}

// openAndLoad is what a run needs of a store.
func openAndLoad(tb testing.TB, dir, name string) {
	s, err := OpenStore(dir, StoreOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	d, err := s.Resolve(tb.Context(), name)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := Load(tb.Context(), s, d, "amd64"); err != nil {
		tb.Fatal(err)
	}
}

// TestLargeStore asserts what the benchmarks measure, for the best of some
// tries, as other work on the machine is none of our business.
func TestLargeStore(t *testing.T) {
	dir := fullStore(t, 3000)
	best := time.Hour
	for i := range 10 {
		start := time.Now()
		openAndLoad(t, dir, fmt.Sprintf("image%d", 300*i))
		best = min(best, time.Since(start))
	}
	if best > 20*time.Millisecond {
		t.Errorf("opening a store of 3000 images and loading one takes %s", best)
	}
	s, err := OpenStore(dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve(t.Context(), "image3000"); err == nil {
		t.Error("found what is not there")
	}
	if r, err := s.Remove(t.Context(), "image17"); err != nil || r.Blobs != 5 {
		t.Errorf("remove: %+v, %v", r, err)
	}
	if entries, err := s.List(t.Context()); err != nil || len(entries) != 2999 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
}

func BenchmarkLargeStore(b *testing.B) {
	dir := fullStore(b, 3000)
	s, err := OpenStore(dir, StoreOptions{})
	if err != nil {
		b.Fatal(err)
	}
	data, err := s.readIndex()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("open and load", func(b *testing.B) {
		for b.Loop() {
			openAndLoad(b, dir, "image2999")
		}
		b.ReportMetric(float64(len(data)), "index-bytes")
	})
	b.Run("open and miss", func(b *testing.B) {
		for b.Loop() {
			s, err := OpenStore(dir, StoreOptions{})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := s.Resolve(b.Context(), "nothing"); err == nil {
				b.Fatal("found")
			}
		}
	})
	b.Run("decode the index", func(b *testing.B) {
		for b.Loop() {
			if _, err := decodeIndex(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.List(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("collect", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.collect(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tag", func(b *testing.B) {
		d, err := s.Resolve(b.Context(), "image1")
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := s.Tag(b.Context(), d.Digest, ref(b, "moving")); err != nil {
				b.Fatal(err)
			}
		}
	})
}

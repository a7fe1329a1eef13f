package registry

import (
	"context"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Pruned says what Prune did.
type Pruned struct {
	// Images that had no name.
	Images []digest.Digest
	// Blobs and Bytes were freed on disk, leftovers of killed processes included.
	Blobs int
	Bytes int64
	// Deferred is true when others were writing, so that the blobs will be deleted
	// by a later removal.
	Deferred bool
}

// Prune removes the images that have no name, and every blob that nothing leads to.
func (s *Store) Prune(ctx context.Context) (Pruned, error) {
	var p Pruned
	if !s.isStore() {
		return p, nil
	}
	err := s.dropNameless(ctx, &p)
	if err == nil {
		var f freed
		f, err = s.collect(ctx)
		p.Blobs, p.Bytes, p.Deferred = f.blobs, f.bytes, f.deferred
	}
	return p, storeError(s.dir, "prune images", err)
}

func (s *Store) dropNameless(ctx context.Context, p *Pruned) error {
	w, err := s.writer(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	return w.update(ctx, func(index *ocispec.Index) error {
		index.Manifests = slices.DeleteFunc(index.Manifests, func(m ocispec.Descriptor) bool {
			// Entries without our date are other tools' and may be parts of an image.
			gone := nameOf(m) == "" && !isAttachment(m) && !taggedAt(m).IsZero()
			if gone {
				p.Images = append(p.Images, m.Digest)
			}
			return gone
		})
		return nil
	})
}

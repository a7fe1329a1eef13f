package registry

import (
	"os"
	"slices"
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// annotationBuilt marks, in the index of a store, images that were put into it as
// they were made, and not fetched from elsewhere.
const annotationBuilt = "io.gadget.store.built"

func builtHere(entries []ocispec.Descriptor, d digest.Digest) bool {
	return slices.ContainsFunc(entries, func(m ocispec.Descriptor) bool {
		return m.Digest == d && m.Annotations[annotationBuilt] != "" && !isAttachment(m)
	})
}

// setBuilt marks all entries of an image.
func setBuilt(index *ocispec.Index, d digest.Digest) {
	for i, m := range index.Manifests {
		if m.Digest == d && !isAttachment(m) && m.Annotations != nil {
			index.Manifests[i].Annotations[annotationBuilt] = "true"
		}
	}
}

// Built reports whether the user who asks has built the image into this store: the
// same content that came from elsewhere is the same image. In the store of another
// user nothing counts as built.
func (s *Store) Built(d digest.Digest) (bool, error) {
	info, err := os.Stat(s.dir)
	if err != nil {
		return false, err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Geteuid() {
		return false, nil
	}
	index, err := s.loadIndex()
	if err != nil {
		return false, err
	}
	return builtHere(index.Manifests, d), nil
}

package registry

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Usage is what a store holds and how many bytes of the disk that takes. A blob that
// several images share is counted once: the three parts add up to the whole.
type Usage struct {
	// Images, those with a name first, sorted by name and digest.
	Images []ImageUsage
	// Named is what images with a name lead to, Nameless what only images without one
	// do, Unused what nothing leads to: leftovers of writers that were killed, or of
	// those that are writing now.
	Named, Nameless, Unused Space
}

// Space is a number of blobs, or of unfinished files, and their bytes.
type Space struct {
	Blobs int
	Bytes int64
}

func (s *Space) add(bytes int64) {
	s.Blobs++
	s.Bytes += bytes
}

// Bytes is the sum over all parts.
func (u *Usage) Bytes() int64 { return u.Named.Bytes + u.Reclaimable() }

// Reclaimable is how many bytes Prune would free if nobody were writing.
func (u *Usage) Reclaimable() int64 { return u.Nameless.Bytes + u.Unused.Bytes }

// ImageUsage is one image of a store, with what is attached to it.
type ImageUsage struct {
	Digest digest.Digest
	// Names as the index has them, none for an image that Prune would remove.
	Names []string
	// Tagged is when it came, or got its last name; zero when the index does not say.
	Tagged time.Time
	// Bytes of all its blobs, and of those that no other image has.
	Bytes, Own int64
}

// Usage measures the store. It reads every manifest, and takes no lock: what others
// write meanwhile may be missing or count as unused.
func (s *Store) Usage(ctx context.Context) (*Usage, error) {
	// Blobs first: what is added later than this must not look unused.
	sizes, err := s.blobSizes()
	if err != nil {
		return nil, storeError(s.dir, "measure the store", err)
	}
	index, err := s.loadIndex()
	if err != nil {
		return nil, err
	}
	reached := map[digest.Digest]map[digest.Digest]bool{}
	images := map[digest.Digest]*ImageUsage{}
	for _, m := range index.Manifests {
		of := m.Digest
		if isAttachment(m) && m.Annotations[annotationOf] != "" {
			of = digest.Digest(m.Annotations[annotationOf])
		}
		if reached[of] == nil {
			reached[of] = map[digest.Digest]bool{}
		}
		if err := s.mark(ctx, reached[of], m); err != nil {
			return nil, err
		}
		if !isAttachment(m) {
			note(images, m)
		}
	}
	u := &Usage{}
	u.measure(images, reached, sizes)
	return u, s.addUnfinished(&u.Unused)
}

// note adds an entry of the index to the image that it is about.
func note(images map[digest.Digest]*ImageUsage, m ocispec.Descriptor) {
	img := images[m.Digest]
	if img == nil {
		img = &ImageUsage{Digest: m.Digest}
		images[m.Digest] = img
	}
	if at := taggedAt(m); at.After(img.Tagged) {
		img.Tagged = at
	}
	if name := nameOf(m); name != "" {
		img.Names = append(img.Names, name)
		slices.Sort(img.Names)
	}
}

// measure adds up the blobs that the images reach.
func (u *Usage) measure(images map[digest.Digest]*ImageUsage, reached map[digest.Digest]map[digest.Digest]bool, sizes map[digest.Digest]int64) {
	named, holders := map[digest.Digest]bool{}, map[digest.Digest]int{}
	for of, blobs := range reached {
		for d := range blobs {
			holders[d]++
			if img := images[of]; img == nil || !img.prunable() {
				named[d] = true
			}
		}
	}
	for of, img := range images {
		for d := range reached[of] {
			img.Bytes += sizes[d]
			if holders[d] == 1 {
				img.Own += sizes[d]
			}
		}
		u.Images = append(u.Images, *img)
	}
	slices.SortFunc(u.Images, func(a, b ImageUsage) int {
		byName := slices.Compare(a.Names, b.Names)
		if len(a.Names) == 0 || len(b.Names) == 0 {
			byName = -byName
		}
		return cmp.Or(byName, cmp.Compare(a.Digest, b.Digest))
	})
	for d, size := range sizes {
		switch {
		case named[d]:
			u.Named.add(size)
		case holders[d] > 0:
			u.Nameless.add(size)
		default:
			u.Unused.add(size)
		}
	}
}

// prunable reports whether Prune removes the image: those without our date are other
// tools' and may be parts of an image.
func (i *ImageUsage) prunable() bool { return len(i.Names) == 0 && !i.Tagged.IsZero() }

// blobSizes are the sizes of all blobs on the disk, in bytes.
func (s *Store) blobSizes() (map[digest.Digest]int64, error) {
	sizes := map[digest.Digest]int64{}
	root := filepath.Join(s.dir, ocispec.ImageBlobsDir)
	algorithms, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return sizes, nil
	}
	if err != nil {
		return nil, err
	}
	for _, a := range algorithms {
		entries, err := os.ReadDir(filepath.Join(root, a.Name()))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			d := digest.NewDigestFromEncoded(digest.Algorithm(a.Name()), e.Name())
			if info, err := e.Info(); err == nil && d.Validate() == nil {
				sizes[d] = info.Size()
			}
		}
	}
	return sizes, nil
}

// addUnfinished adds the files that are half written.
func (s *Store) addUnfinished(sum *Space) error {
	files, err := s.unfinished()
	if err != nil {
		return err
	}
	for _, f := range files {
		if info, err := os.Lstat(f); err == nil {
			sum.add(info.Size())
		}
	}
	return nil
}

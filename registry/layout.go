package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"

	"github.com/gadget-bpf/gadget/schemas"
)

// Layout reads images from a directory in the OCI image layout. Its methods may
// be called concurrently, also while another process writes: each reads the
// index once, and the index is only ever replaced as a whole.
type Layout struct {
	fsys  fs.FS
	blobs *oci.ReadOnlyStorage
	// where names the layout in messages.
	where string
	// empty layouts may lack index.json: a store that nobody has written yet.
	mayBeEmpty bool
}

// OpenLayout returns the images in fsys, which holds an OCI image layout at its
// root. It reads nothing but the version.
func OpenLayout(fsys fs.FS) (*Layout, error) {
	l := &Layout{fsys: fsys, blobs: oci.NewStorageFromFS(fsys), where: "the image layout"}
	if err := checkVersion(fsys); err != nil {
		return nil, fmt.Errorf("open image layout: %w", err)
	}
	return l, nil
}

// checkVersion reads the file oci-layout.
func checkVersion(fsys fs.FS) error {
	data, err := readRegular(fsys, ocispec.ImageLayoutFile, 4096)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it has no file %q, so it is no OCI image layout: %w", ocispec.ImageLayoutFile, err)
	}
	if err != nil {
		return err
	}
	if version := layoutVersion(data); version != ocispec.ImageLayoutVersion {
		return fmt.Errorf("%s says version %q, only %q is known", ocispec.ImageLayoutFile, version, ocispec.ImageLayoutVersion)
	}
	return nil
}

// Resolve finds an image by its name, by the name as another tool wrote it, by
// its digest, or by the beginning of the digest (four digits or more).
func (l *Layout) Resolve(_ context.Context, name string) (ocispec.Descriptor, error) {
	data, err := l.readIndex()
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	q, err := parseQuery(name)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	d, found, err := q.in(data)
	switch {
	case err != nil:
		return ocispec.Descriptor{}, l.indexError(err)
	case !found:
		return ocispec.Descriptor{}, &NotFoundError{Name: name, Reference: q.ref, Where: l.where}
	}
	return plain(d), nil
}

// Fetch opens a blob. The caller verifies the content.
func (l *Layout) Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	info, err := l.stat(d.Digest)
	if err != nil {
		return nil, err
	}
	if info.Size() != d.Size {
		return nil, damaged(d, "it has %d bytes instead of %d", info.Size(), d.Size)
	}
	body, err := l.blobs.Fetch(ctx, d)
	if errors.Is(err, errdef.ErrNotFound) {
		return nil, l.missing(d.Digest) // deleted just now
	}
	return body, err
}

func (l *Layout) missing(d digest.Digest) error {
	return &DamagedError{d, "it is missing from " + l.where}
}

func (l *Layout) stat(d digest.Digest) (fs.FileInfo, error) {
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("%q is no digest", d)
	}
	info, err := regular(l.fsys, path.Join(ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded()))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, l.missing(d)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.where, err)
	}
	return info, nil
}

// Image reads an image by the digest of its index; see [Load].
func (l *Layout) Image(ctx context.Context, d digest.Digest, archs ...string) (*schemas.Image, error) {
	desc, err := l.descriptor(d)
	if err != nil {
		return nil, err
	}
	return Load(ctx, l, desc, archs...)
}

// Describe says what an image consists of, by the digest of its index; see [Describe].
func (l *Layout) Describe(ctx context.Context, d digest.Digest) (*Info, error) {
	desc, err := l.descriptor(d)
	if err != nil {
		return nil, err
	}
	return Describe(ctx, l, desc)
}

func (l *Layout) descriptor(d digest.Digest) (ocispec.Descriptor, error) {
	info, err := l.stat(d)
	var missing *DamagedError
	if errors.As(err, &missing) {
		return ocispec.Descriptor{}, &NotFoundError{Name: d.String(), Where: l.where}
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: d, Size: info.Size()}, nil
}

// Entry is one line of a list of images.
type Entry struct {
	// Reference is zero for an image without a name. Name is what the index has,
	// which differs where another tool wrote it.
	Reference Reference
	Name      string
	Digest    digest.Digest
	// Tagged is when this index got the name, zero when it does not say.
	Tagged time.Time
	// Info is nil when the image cannot be read, and then Err says why.
	Info *Info
	Err  error
}

// List returns all images, sorted by name and digest. It reads every image.
func (l *Layout) List(ctx context.Context) ([]Entry, error) {
	entries, err := l.Names()
	if err != nil {
		return nil, err
	}
	for i := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if i > 0 && entries[i].Digest == entries[i-1].Digest {
			entries[i].Info, entries[i].Err = entries[i-1].Info, entries[i-1].Err
			continue
		}
		entries[i].Info, entries[i].Err = l.Describe(ctx, entries[i].Digest)
	}
	if !slices.ContainsFunc(entries, func(e Entry) bool { return e.Err != nil }) {
		return entries, nil
	}
	// What another process has removed meanwhile is not damaged.
	now, err := l.Names()
	return slices.DeleteFunc(entries, func(e Entry) bool {
		return e.Err != nil && !slices.ContainsFunc(now, func(n Entry) bool { return n.Name == e.Name && n.Digest == e.Digest })
	}), err
}

// Names is List without reading the images: Info and Err are nil. Signatures and
// what else is attached to images are not listed, nor are manifests of single
// platforms, for which other programs make entries without a name.
func (l *Layout) Names() ([]Entry, error) {
	data, err := l.readIndex()
	if err != nil || len(data) == 0 {
		return nil, err
	}
	index, err := decodeIndex(data)
	if err != nil {
		return nil, l.indexError(err)
	}
	entries := make([]Entry, 0, len(index.Manifests))
	for _, m := range index.Manifests {
		part := nameOf(m) == "" && m.MediaType == ocispec.MediaTypeImageManifest
		if part || isAttachment(m) {
			continue
		}
		e := Entry{Name: nameOf(m), Digest: m.Digest, Tagged: taggedAt(m)}
		if ref, err := ParseReference(e.Name); err == nil {
			e.Reference = ref
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(string(a.Digest), string(b.Digest))
	})
	return entries, nil
}

// readIndex returns index.json, nil for a store that does not exist yet.
func (l *Layout) readIndex() ([]byte, error) {
	data, err := readRegular(l.fsys, indexFile, maxIndex)
	if errors.Is(err, fs.ErrNotExist) && l.mayBeEmpty {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.where, err)
	}
	if len(data) == 0 {
		return nil, l.indexError(errors.New("the file is empty"))
	}
	return data, nil
}

// indexError says that index.json is damaged and what to do.
func (l *Layout) indexError(err error) error {
	if _, ambiguous := err.(*AmbiguousError); err == nil || ambiguous {
		return err
	}
	return fmt.Errorf("%s: %s is damaged: %w (move it away to start with an empty list, then build or pull the images again)", l.where, indexFile, err)
}

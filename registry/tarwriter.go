package registry

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TarWriter writes images into an uncompressed tar of an OCI image layout
// (compat-spec §1.6), as they are copied to it. The same images in the same order
// make the same bytes: the time of a file is when its image was created, by its own
// word, or the epoch. It is used by one goroutine.
type TarWriter struct {
	out     *tar.Writer
	entries []ocispec.Descriptor
	written map[digest.Digest]bool
	// created is that of the image being copied, newest that of all.
	created, newest time.Time
}

// NewTarWriter returns a writer of a tar to w. It must be closed; w is not.
func NewTarWriter(w io.Writer) *TarWriter {
	epoch := time.Unix(0, 0)
	return &TarWriter{out: tar.NewWriter(w), written: map[digest.Digest]bool{}, created: epoch, newest: epoch}
}

// begin sets the time of the files that follow. A time that the format cannot hold is
// the epoch.
func (t *TarWriter) begin(created time.Time) {
	const last = 1<<33 - 1 // eleven octal digits
	if s := created.Unix(); s < 0 || s > last {
		created = time.Unix(0, 0)
	}
	t.created = created.Truncate(time.Second)
	if t.created.After(t.newest) {
		t.newest = t.created
	}
}

// receive implements Target. After an error the tar is of no use.
func (t *TarWriter) receive(_ context.Context, move func(receiver) error) error { return move(t) }

func (t *TarWriter) has(_ context.Context, d ocispec.Descriptor) (bool, error) {
	return t.written[d.Digest], nil
}

func (t *TarWriter) push(_ context.Context, d ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	body, err := open()
	if err != nil {
		return err
	}
	defer body.Close()
	if err := t.file("blobs/"+d.Digest.Algorithm().String()+"/"+d.Digest.Encoded(), d.Size, body); err != nil {
		return err
	}
	t.written[d.Digest] = true
	return nil
}

func (t *TarWriter) name(_ context.Context, root ocispec.Descriptor, to Reference, attached []attachment) error {
	add := func(d ocispec.Descriptor, name string) {
		if name != "" {
			d.Annotations = map[string]string{ocispec.AnnotationRefName: name}
		}
		known := slices.ContainsFunc(t.entries, func(e ocispec.Descriptor) bool { return e.Digest == d.Digest && nameOf(e) == name })
		if !known {
			t.entries = append(t.entries, d)
		}
	}
	add(plain(root), to.String())
	for _, a := range attached {
		d := plain(a.Descriptor)
		d.ArtifactType = a.ArtifactType
		switch {
		case a.tag == "":
			add(d, "")
		case to == (Reference{}):
			add(d, a.tag)
		default:
			add(d, to.Repository()+":"+a.tag)
		}
	}
	return nil
}

// Close writes the index and ends the tar.
func (t *TarWriter) Close() error {
	t.created = t.newest
	slices.SortFunc(t.entries, func(a, b ocispec.Descriptor) int {
		return cmp.Or(cmp.Compare(a.Digest, b.Digest), cmp.Compare(nameOf(a), nameOf(b)))
	})
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: t.entries}
	if index.Manifests == nil {
		index.Manifests = []ocispec.Descriptor{}
	}
	for _, f := range []struct {
		name  string
		value any
	}{
		{indexFile, index},
		{ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion}},
	} {
		data, err := json.Marshal(f.value)
		if err != nil {
			return err
		}
		if err := t.file(f.name, int64(len(data)), bytes.NewReader(data)); err != nil {
			return err
		}
	}
	if err := t.out.Close(); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}

// file writes one file.
func (t *TarWriter) file(name string, size int64, body io.Reader) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: t.created, Format: tar.FormatUSTAR}
	if err := t.out.WriteHeader(h); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	if _, err := io.CopyN(t.out, body, size); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	// A checked reader says here that the content was wrong or goes on.
	if n, err := body.Read(make([]byte, 1)); n > 0 || err != nil && err != io.EOF {
		return fmt.Errorf("write archive: %s: %w", name, cmp.Or(err, io.ErrShortWrite))
	}
	return nil
}

package registry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
)

// receive implements Target: nobody collects the parts while they arrive, and
// what arrived for nothing is deleted.
func (s *Store) receive(ctx context.Context, move func(receiver) error) error {
	dropped, err := s.write(ctx, move)
	s.collectAfter(ctx, dropped)
	return storeError(s.dir, "store image", err)
}

func (s *Store) write(ctx context.Context, move func(receiver) error) (dropped bool, err error) {
	w, err := s.writer(ctx)
	if err != nil {
		return false, err
	}
	defer w.close()
	r := &storeReceiver{writer: w}
	if err := move(r); err != nil {
		return true, err
	}
	return r.dropped, nil
}

// storeReceiver receives one image into a store.
type storeReceiver struct {
	*writer
	// dropped is true when another image lost its last name.
	dropped bool
}

func (r *storeReceiver) push(ctx context.Context, d ocispec.Descriptor, open func() (io.ReadCloser, error)) error {
	body, err := open()
	if err != nil {
		return err
	}
	defer body.Close()
	return r.pushFrom(ctx, d, body)
}

func (r *storeReceiver) name(ctx context.Context, root ocispec.Descriptor, to Reference, attached []attachment) (err error) {
	var refs []Reference
	if to != (Reference{}) {
		refs = []Reference{to}
	}
	r.dropped, err = r.tag(ctx, root, refs, attached...)
	return err
}

// has says whether a blob is there and right. One of which a crash has left half
// is removed.
func (w *writer) has(ctx context.Context, d ocispec.Descriptor) (bool, error) {
	if _, err := os.Lstat(w.s.blobPath(d)); err != nil {
		return false, nil
	}
	if w.intact(ctx, d) {
		w.added(d) // whoever wrote it may not have synced it yet
		return true, nil
	}
	w.s.log.Info("replacing a damaged blob", "digest", d.Digest)
	if err := os.Remove(w.s.blobPath(d)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	return false, nil
}

func (w *writer) intact(ctx context.Context, d ocispec.Descriptor) bool {
	body, err := w.s.Layout.Fetch(ctx, d)
	if err != nil {
		return false
	}
	defer body.Close()
	verified := content.NewVerifyReader(body, d)
	_, err = io.Copy(io.Discard, verified)
	return err == nil && verified.Verify() == nil
}

// pushFrom adds a blob that is not there, verified as it is read.
func (w *writer) pushFrom(ctx context.Context, d ocispec.Descriptor, body io.Reader) error {
	watched := &watchedReader{Reader: body}
	err := w.s.disk.Push(ctx, d, watched)
	if errors.Is(err, errdef.ErrAlreadyExists) {
		w.added(d)
		return nil // somebody else was faster
	}
	if watched.err != nil {
		return watched.err // not dressed up as trouble with the disk
	}
	if err != nil {
		return err
	}
	w.added(d)
	return nil
}

// open reads a blob that is in memory.
func (b blob) open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.data)), nil }

// watchedReader remembers why it could not be read.
type watchedReader struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (r *watchedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

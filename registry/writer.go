package registry

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

const (
	// indexLock is held alone while index.json is replaced.
	indexLock = indexFile + ".lock"
	// writersLock is held shared from before a writer's first blob until the
	// index refers to it, and alone while blobs are collected.
	writersLock = "writers.lock"
	// temporaryPattern fits the files that become oci-layout and index.json.
	temporaryPattern = ".new-*"
	// patience is how long a writer waits for a lock. Locks are held for
	// milliseconds, or for a second by a collection in a large store.
	patience = time.Minute
)

// writer may add blobs to a store: nobody collects them meanwhile.
type writer struct {
	s    *Store
	lock *flock.Flock
	// fresh are the files of blobs that may not be on disk yet.
	mu    sync.Mutex
	fresh []string
	// built is true when what is written was made here, not fetched.
	built bool
}

// writer begins writing. It must be closed.
func (s *Store) writer(ctx context.Context) (*writer, error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	lock, err := s.lock(ctx, writersLock, (*flock.Flock).TryRLockContext)
	if err != nil {
		return nil, err
	}
	if err := s.writeVersion(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &writer{s: s, lock: lock}, nil
}

func (w *writer) close() { _ = w.lock.Close() }

// lock waits for a lock on a file of the store.
func (s *Store) lock(ctx context.Context, name string, try func(*flock.Flock, context.Context, time.Duration) (bool, error)) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("another process has held %s for %s", name, patience))
	defer cancel()
	lock := flock.New(filepath.Join(s.dir, name), flock.SetPermissions(0o600))
	if _, err := try(lock, ctx, 2*time.Millisecond); err != nil {
		_ = lock.Close()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, err
	}
	return lock, nil
}

// push adds a blob. One that is there is kept if its content is right, and
// written again if a crash has left half of it.
func (w *writer) push(ctx context.Context, b blob) error {
	if there, err := w.has(ctx, b.Descriptor); there || err != nil {
		return err
	}
	return w.pushFrom(ctx, b.Descriptor, bytes.NewReader(b.data))
}

func (s *Store) blobPath(d ocispec.Descriptor) string {
	return filepath.Join(s.dir, ocispec.ImageBlobsDir, d.Digest.Algorithm().String(), d.Digest.Encoded())
}

// tag makes the index refer to d and what is attached to it. It returns true when
// an image lost its last name by that.
func (w *writer) tag(ctx context.Context, d ocispec.Descriptor, refs []Reference, attached ...attachment) (dropped bool, err error) {
	names, repository := []string{}, ""
	for _, r := range refs {
		if r.Digest != "" && r.Digest != d.Digest {
			return false, fmt.Errorf("name %s: the image has digest %s", r, d.Digest)
		}
		names, repository = append(names, r.String()), r.Repository()
	}
	if len(names) == 0 {
		names = []string{""}
	}
	err = w.update(ctx, func(index *ocispec.Index) error {
		before := index.Manifests
		index.Manifests = append([]ocispec.Descriptor(nil), before...)
		for _, name := range names {
			setName(index, d, name, w.s.now())
		}
		if w.built || builtHere(before, d.Digest) {
			setBuilt(index, d.Digest)
		}
		for _, a := range attached {
			setAttachment(index, a, d.Digest, repository)
		}
		dropOrphans(index)
		dropped = lost(before, index.Manifests)
		return nil
	})
	return dropped, err
}

// attach makes the index refer to something new about the image root. It returns true
// when that replaces something.
func (w *writer) attach(ctx context.Context, root digest.Digest, all []attachment) (dropped bool, err error) {
	err = w.update(ctx, func(index *ocispec.Index) error {
		if !slices.ContainsFunc(index.Manifests, func(m ocispec.Descriptor) bool { return m.Digest == root && !isAttachment(m) }) {
			return &NotFoundError{Name: root.String(), Where: w.s.where}
		}
		before := slices.Clone(index.Manifests)
		for _, a := range all {
			replaceAttachment(index, a, root)
		}
		dropped = lost(before, index.Manifests)
		return nil
	})
	return dropped, err
}

// update changes the index while nobody else does.
func (w *writer) update(ctx context.Context, change func(*ocispec.Index) error) error {
	if err := w.sync(); err != nil {
		return err
	}
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	lock, err := w.s.lock(ctx, indexLock, (*flock.Flock).TryLockContext)
	if err != nil {
		return err
	}
	defer lock.Close()
	index, err := w.s.loadIndex()
	if err != nil {
		return err
	}
	if err := change(index); err != nil {
		return err
	}
	dropOrphans(index)
	data, err := encodeIndex(index)
	if err != nil {
		return err
	}
	return replaceFile(w.s.dir, indexFile, data)
}

// added notes a blob that the index will refer to.
func (w *writer) added(d ocispec.Descriptor) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fresh = append(w.fresh, w.s.blobPath(d))
}

// sync brings the blobs to the disk, and then the directories that name them: they must
// outlive a power cut that the index outlives. All at once costs hardly more than one.
func (w *writer) sync() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(2 * parallel)
	dirs := map[string]bool{}
	for _, path := range w.fresh {
		dirs[filepath.Dir(path)] = true
		group.Go(func() error { return syncPath(path) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for dir := range dirs {
		if err := syncPath(dir); err != nil {
			return err
		}
	}
	w.fresh = nil
	return nil
}

// replaceFile writes a file such that after a crash it has either the old or
// the new content.
func replaceFile(dir, name string, data []byte) (err error) {
	f, err := os.CreateTemp(dir, temporaryPattern)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	return syncPath(dir)
}

// syncPath brings a file or the entries of a directory to the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

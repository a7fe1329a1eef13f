package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"

	"github.com/gadget-bpf/gadget/schemas"
)

// StoreOptions are the choices of OpenStore. The zero value works.
type StoreOptions struct {
	// Log gets what is worth knowing but no error; nil is silent.
	Log *slog.Logger
	// Now is the clock of image lists, time.Now when nil.
	Now func() time.Time
	// Shared lets images be written into a layout that another program has made. That
	// program knows nothing of our locks and must not write at the same time.
	Shared bool
}

// Store keeps images in a directory, as an OCI image layout that other tools
// read too. Any number of goroutines and processes may use it at once:
//
//   - index.json is replaced as a whole, under a lock that is held only for that;
//   - whoever adds blobs holds a shared lock until the index refers to them, and
//     blobs are collected only by who gets that lock alone.
//
// Reading takes no lock. A store on a read-only file system can be read, and so can
// one of another program, such as that of compat-spec §1.4; it is never written to.
type Store struct {
	Layout
	dir    string
	disk   *oci.Storage
	log    *slog.Logger
	now    func() time.Time
	shared bool
	// mu keeps the goroutines of one process from polling for the file lock.
	mu sync.Mutex
}

// OpenStore opens the store in dir. It writes nothing: the directory comes into
// being with the first image. Nothing has to be closed.
func OpenStore(dir string, o StoreOptions) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// It comes into being with the first image.
	case err != nil:
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	case !info.IsDir():
		return nil, fmt.Errorf("open store %s: it is no directory", dir)
	}
	fsys := os.DirFS(dir)
	if err := checkVersion(fsys); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	disk, err := oci.NewStorage(dir)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	s := &Store{
		Layout: Layout{fsys: fsys, blobs: oci.NewStorageFromFS(fsys), where: "store " + dir, mayBeEmpty: true},
		dir:    dir, disk: disk, log: o.Log, now: o.Now, shared: o.Shared,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Dir returns the directory of the store.
func (s *Store) Dir() string { return s.dir }

// Put stores an image that was made here and gives it names, which it takes from other images;
// without names it is kept until it is removed by its digest. When it fails, the
// store is as it was. What nothing refers to any more is deleted.
func (s *Store) Put(ctx context.Context, img *schemas.Image, refs ...Reference) (ocispec.Descriptor, error) {
	blobs, root, err := pack(img)
	if err != nil {
		return root, fmt.Errorf("store image: %w", err)
	}
	leftovers, err := s.put(ctx, blobs, root, refs)
	s.collectAfter(ctx, leftovers)
	return root, storeError(s.dir, "store image", err)
}

// put returns true when it leaves blobs that nothing refers to: those of an image
// that lost its name, or its own when it fails.
func (s *Store) put(ctx context.Context, blobs []blob, root ocispec.Descriptor, refs []Reference) (leftovers bool, err error) {
	w, err := s.writer(ctx)
	if err != nil {
		return false, err
	}
	defer w.close()
	w.built = true
	for _, b := range blobs {
		if err := w.push(ctx, b); err != nil {
			return true, err
		}
	}
	dropped, err := w.tag(ctx, root, refs)
	return dropped || err != nil, err
}

// Tag gives the image with that digest further names, which it takes from other
// images. What nothing refers to any more is deleted.
func (s *Store) Tag(ctx context.Context, d digest.Digest, refs ...Reference) error {
	if len(refs) == 0 {
		return errors.New("tag image: no name is given")
	}
	dropped, err := s.tag(ctx, d, refs)
	s.collectAfter(ctx, dropped)
	return storeError(s.dir, "tag image", err)
}

func (s *Store) tag(ctx context.Context, d digest.Digest, refs []Reference) (dropped bool, err error) {
	w, err := s.writer(ctx)
	if err != nil {
		return false, err
	}
	defer w.close()
	// Under the lock nobody collects: what is complete now stays so.
	desc, err := s.descriptor(d)
	if err != nil {
		return false, err
	}
	if err := s.complete(ctx, desc); err != nil {
		return false, err
	}
	return w.tag(ctx, desc, refs)
}

// complete makes sure that all blobs of an image are there.
func (s *Store) complete(ctx context.Context, d ocispec.Descriptor) error {
	info, err := Describe(ctx, s, d)
	if err != nil {
		return err
	}
	for _, p := range info.Platforms {
		for _, b := range p.blobs() {
			if _, err := s.stat(b.Digest); err != nil {
				return err
			}
		}
	}
	return nil
}

// Removed says what Remove did.
type Removed struct {
	// Digest of the image and the names that it lost.
	Digest digest.Digest
	Names  []string
	// Left are the names that it still has. With none the image is deleted.
	Left []string
	// Blobs and Bytes were freed on disk, those of earlier leftovers included.
	Blobs int
	Bytes int64
	// Deferred is true when others were writing, so that the blobs will be
	// deleted by a later removal.
	Deferred bool
}

// Remove takes away one name, or, given a digest or the beginning of one, all
// names of an image. The image is deleted when no name is left.
func (s *Store) Remove(ctx context.Context, name string) (Removed, error) {
	r, err := s.remove(ctx, name)
	if err != nil || len(r.Left) > 0 {
		s.collectAfter(ctx, false)
		return r, storeError(s.dir, "remove image", err)
	}
	f, err := s.collect(ctx)
	r.Blobs, r.Bytes, r.Deferred = f.blobs, f.bytes, f.deferred
	return r, storeError(s.dir, "delete the blobs of the image", err)
}

func (s *Store) remove(ctx context.Context, name string) (r Removed, err error) {
	// Not found is said without asking for the right to write.
	if _, err := s.Resolve(ctx, name); err != nil {
		return r, err
	}
	q, err := parseQuery(name)
	if err != nil {
		return r, err
	}
	w, err := s.writer(ctx)
	if err != nil {
		return r, err
	}
	defer w.close()
	err = w.update(ctx, func(index *ocispec.Index) error {
		d, byName, found, err := q.inIndex(index)
		if err != nil {
			return err
		}
		if !found {
			return &NotFoundError{Name: name, Reference: q.ref, Where: s.where}
		}
		r = dropNames(index, d, byName)
		return nil
	})
	return r, err
}

// dropNames removes the entry d, or all entries of its digest.
func dropNames(index *ocispec.Index, d ocispec.Descriptor, only bool) Removed {
	r := Removed{Digest: d.Digest}
	index.Manifests = slices.DeleteFunc(index.Manifests, func(m ocispec.Descriptor) bool {
		if m.Digest != d.Digest {
			return false
		}
		gone := !only || nameOf(m) == nameOf(d)
		switch {
		case nameOf(m) == "":
		case gone:
			r.Names = append(r.Names, nameOf(m))
		default:
			r.Left = append(r.Left, nameOf(m))
		}
		return gone
	})
	return r
}

// errForeign is why a store is not written to.
var errForeign = errors.New("it was made by another program")

// prepare makes the directories of a store, and refuses one that is not ours.
func (s *Store) prepare() error {
	if s.isStore() {
		if !s.shared && !s.isOurs() {
			return errForeign
		}
		return nil
	}
	if err := s.refuseForeign(); err != nil {
		return err
	}
	// The ingest directory is that of the blob storage, made here for its mode.
	for _, sub := range []string{"", "blobs", "blobs/sha256", "ingest"} {
		if err := os.MkdirAll(filepath.Join(s.dir, sub), 0o700); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) isStore() bool {
	_, err := os.Lstat(filepath.Join(s.dir, ocispec.ImageLayoutFile))
	return err == nil
}

// isOurs says whether this package has written the store: its lock is there before
// anything else.
func (s *Store) isOurs() bool {
	_, err := os.Lstat(filepath.Join(s.dir, writersLock))
	return err == nil
}

// writeVersion makes the directory a store for all to see. The caller is a writer.
func (s *Store) writeVersion() error {
	if s.isStore() {
		return nil
	}
	version, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	return replaceFile(s.dir, ocispec.ImageLayoutFile, version)
}

// refuseForeign keeps a store out of a directory that holds something else.
func (s *Store) refuseForeign() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ours := []string{"blobs", "ingest", indexFile, indexLock, writersLock, leftoversMark, ocispec.ImageLayoutFile}
	for _, e := range entries {
		if temporary, _ := filepath.Match(temporaryPattern, e.Name()); !temporary && !slices.Contains(ours, e.Name()) {
			return fmt.Errorf("the directory holds %q and is no store; choose an empty one", e.Name())
		}
	}
	return nil
}

// loadIndex reads the index for changing it.
func (s *Store) loadIndex() (*ocispec.Index, error) {
	data, err := s.readIndex()
	if err != nil {
		return nil, err
	}
	if data == nil {
		return &ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}, nil
	}
	index, err := decodeIndex(data)
	return index, s.indexError(err)
}

func layoutVersion(data []byte) string {
	var l ocispec.ImageLayout
	if json.Unmarshal(data, &l) != nil {
		return string(data)
	}
	return l.Version
}

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// leftoversMark is a file that says: blobs wait for being collected.
const leftoversMark = ".leftovers"

// freed is what a collection deleted.
type freed struct {
	blobs int
	bytes int64
	// deferred is true when others were writing and nothing was deleted.
	deferred bool
}

// collect deletes blobs that no entry of the index leads to, and what killed
// writers left. While others write it does nothing, and the last of them does it.
func (s *Store) collect(ctx context.Context) (sum freed, err error) {
	// Marked before the lock is tried: a writer that holds it now looks for the
	// mark after giving it back. On a full disk there is no mark but no harm.
	_ = os.WriteFile(filepath.Join(s.dir, leftoversMark), nil, 0o600)
	for first := true; first || s.leftovers(); first = false {
		f, err := s.collectAlone(ctx)
		sum.blobs += f.blobs
		sum.bytes += f.bytes
		if err != nil || f.deferred {
			sum.deferred = first && f.deferred
			return sum, err
		}
	}
	return sum, nil
}

// leftovers says whether somebody was kept from collecting.
func (s *Store) leftovers() bool {
	_, err := os.Lstat(filepath.Join(s.dir, leftoversMark))
	return err == nil
}

// collectAlone collects if it gets the lock alone.
func (s *Store) collectAlone(ctx context.Context) (freed, error) {
	lock := flock.New(filepath.Join(s.dir, writersLock), flock.SetPermissions(0o600))
	defer lock.Close()
	if alone, err := lock.TryLock(); err != nil || !alone {
		return freed{deferred: true}, err
	}
	index, err := s.loadIndex()
	if err != nil {
		return freed{}, err
	}
	live := map[digest.Digest]bool{}
	for _, m := range index.Manifests {
		if err := s.mark(ctx, live, m); err != nil {
			return freed{}, err
		}
	}
	if err := s.sweepTemporary(); err != nil {
		return freed{}, err
	}
	f, err := s.sweep(live)
	if err != nil {
		return f, err
	}
	// Whoever set the mark meanwhile had changed the index before we read it.
	if err := os.Remove(filepath.Join(s.dir, leftoversMark)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	return f, nil
}

// collectAfter collects when an operation left blobs without use, or an earlier
// one could not. The operation itself has succeeded, so trouble is only logged.
func (s *Store) collectAfter(ctx context.Context, leftovers bool) {
	if !leftovers && !s.leftovers() {
		return
	}
	f, err := s.collect(context.WithoutCancel(ctx))
	if err != nil {
		s.log.Warn("could not delete unused blobs", "store", s.dir, "error", err)
		return
	}
	s.log.Debug("deleted unused blobs", "store", s.dir, "blobs", f.blobs, "bytes", f.bytes, "deferred", f.deferred)
}

// mark adds all that d leads to. What cannot be read because it is missing or
// damaged leads nowhere; other trouble stops the collection.
func (s *Store) mark(ctx context.Context, live map[digest.Digest]bool, d ocispec.Descriptor) error {
	if live[d.Digest] || d.Digest.Validate() != nil {
		return nil
	}
	live[d.Digest] = true
	if !strings.Contains(d.MediaType, "manifest") && !strings.Contains(d.MediaType, "index") {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	data, err := readBlob(ctx, &s.Layout, d, MaxManifest)
	var damage *DamagedError
	if errors.As(err, &damage) {
		s.log.Warn("an image is incomplete", "store", s.dir, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	var m struct {
		Config, Subject          *ocispec.Descriptor
		Manifests, Layers, Blobs []ocispec.Descriptor
	}
	if json.Unmarshal(data, &m) != nil {
		return nil
	}
	children := append(append(m.Manifests, m.Layers...), m.Blobs...)
	for _, one := range []*ocispec.Descriptor{m.Config, m.Subject} {
		if one != nil {
			children = append(children, *one)
		}
	}
	for _, c := range children {
		if err := s.mark(ctx, live, c); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes the blobs that are not live.
func (s *Store) sweep(live map[digest.Digest]bool) (f freed, err error) {
	root := filepath.Join(s.dir, ocispec.ImageBlobsDir)
	algorithms, err := os.ReadDir(root)
	if err != nil {
		return f, err
	}
	for _, a := range algorithms {
		entries, err := os.ReadDir(filepath.Join(root, a.Name()))
		if err != nil {
			return f, err
		}
		for _, e := range entries {
			d := digest.NewDigestFromEncoded(digest.Algorithm(a.Name()), e.Name())
			if live[d] || d.Validate() != nil {
				continue
			}
			size := int64(0)
			if info, err := e.Info(); err == nil {
				size = info.Size()
			}
			if err := os.Remove(filepath.Join(root, a.Name(), e.Name())); err != nil {
				return f, fmt.Errorf("delete blob %s: %w", short(d), err)
			}
			f.blobs++
			f.bytes += size
		}
	}
	return f, nil
}

// sweepTemporary deletes what writers left half written when they were killed.
// Nobody is writing now.
func (s *Store) sweepTemporary() error {
	files, err := s.unfinished()
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}

// unfinished are the files that writers are writing, or were when they were killed.
func (s *Store) unfinished() ([]string, error) {
	var all []string
	for _, pattern := range []string{temporaryPattern, filepath.Join("ingest", "*")} {
		files, err := filepath.Glob(filepath.Join(escapeGlob(s.dir), pattern))
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	return all, nil
}

// escapeGlob makes a path mean itself in a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// attach implements Place: it writes the archive anew, with all that is in it, and
// puts it in the place of the old one, which t goes on to read.
func (t *Tar) attach(ctx context.Context, root ocispec.Descriptor, all []artifact) (err error) {
	name := t.file.Name()
	out, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	defer os.Remove(out.Name()) // fails after the rename
	if err := errors.Join(t.rewrite(ctx, out, root, all), out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), name)
}

// rewrite copies the archive, and adds what is attached.
func (t *Tar) rewrite(ctx context.Context, out *os.File, root ocispec.Descriptor, all []artifact) error {
	data, err := t.readIndex()
	if err != nil {
		return err
	}
	index, err := decodeIndex(data)
	if err != nil {
		return t.indexError(err)
	}
	w := NewTarWriter(out)
	if err := t.copyFiles(w); err != nil {
		return err
	}
	for _, a := range all {
		replaceAttachment(index, a.attachment, root.Digest)
	}
	w.entries = index.Manifests
	if err := pushArtifacts(ctx, w, all); err != nil {
		return err
	}
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	return errors.Join(w.Close(), out.Chmod(info.Mode().Perm()), out.Sync())
}

// copyFiles copies all files but those that Close writes.
func (t *Tar) copyFiles(w *TarWriter) error {
	files := t.fsys.(*tarFS).files
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name == indexFile || name == ocispec.ImageLayoutFile {
			continue
		}
		f, err := t.fsys.Open(name)
		if err != nil {
			return err
		}
		if err := w.file(name, files[name].size, f); err != nil {
			return err
		}
		if d, ok := blobOf(name); ok {
			w.written[d] = true
		}
	}
	return nil
}

// blobOf is the digest that a file of a layout has, if it is a blob.
func blobOf(name string) (digest.Digest, bool) {
	algorithm, hex := path.Split(strings.TrimPrefix(name, ocispec.ImageBlobsDir+"/"))
	d := digest.NewDigestFromEncoded(digest.Algorithm(strings.TrimSuffix(algorithm, "/")), hex)
	return d, d.Validate() == nil
}

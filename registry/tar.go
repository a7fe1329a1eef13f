package registry

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// maxTarEntries bounds the files in a tar.
const maxTarEntries = 100_000

// Tar is the images in an uncompressed tar of an OCI image layout.
type Tar struct {
	Layout
	file *os.File
}

// OpenTar opens a tar of an OCI image layout, as `gadget image save` and skopeo's
// oci-archive: make them. It refuses tars with links, devices, or paths that lead
// out of the tar. Close it when the images are no longer read.
func OpenTar(name string) (*Tar, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	t := &Tar{file: f}
	fsys, err := readTar(f)
	if err == nil {
		var l *Layout
		if l, err = OpenLayout(fsys); err == nil {
			t.Layout = *l
			t.where = "archive " + name
			return t, nil
		}
	}
	_ = f.Close()
	return nil, fmt.Errorf("open archive %s: %w", name, err)
}

// Close closes the file.
func (t *Tar) Close() error { return t.file.Close() }

// tarFS is a file system over the regular files of a tar. Safe for concurrent use.
type tarFS struct {
	from  io.ReaderAt
	files map[string]tarEntry
}

// tarEntry is where the content of a file lies in the tar.
type tarEntry struct{ offset, size int64 }

// readTar finds the files in a tar.
func readTar(f io.ReadSeeker) (*tarFS, error) {
	from, ok := f.(io.ReaderAt)
	if !ok {
		return nil, errors.New("it cannot be read at any place")
	}
	if err := refuseCompressed(f); err != nil {
		return nil, err
	}
	fsys := &tarFS{from: from, files: map[string]tarEntry{}}
	tr := tar.NewReader(f)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			return fsys, nil
		}
		if err != nil {
			return nil, fmt.Errorf("it is no tar, or damaged: %w", err)
		}
		if n == maxTarEntries {
			return nil, fmt.Errorf("it has more than %d files", maxTarEntries)
		}
		if err := fsys.add(f, h); err != nil {
			return nil, err
		}
	}
}

func (t *tarFS) add(f io.Seeker, h *tar.Header) error {
	name := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
	if h.Typeflag == tar.TypeDir && (name == "" || name == ".") {
		return nil
	}
	if !fs.ValidPath(name) || path.Clean(name) != name || strings.Contains(name, "\\") {
		return fmt.Errorf("the path %q in it leads out of the archive, or is not clean", h.Name)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return nil
	case tar.TypeReg:
	case tar.TypeSymlink, tar.TypeLink:
		return fmt.Errorf("%q in it is a link, which an image has no use for", h.Name)
	default:
		return fmt.Errorf("%q in it is no ordinary file", h.Name)
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return fmt.Errorf("%q in it is a sparse file", h.Name)
		}
	}
	if _, twice := t.files[name]; twice {
		return fmt.Errorf("%q is in it twice", h.Name)
	}
	if h.Size < 0 || h.Size > MaxLayer {
		return fmt.Errorf("%q in it has %d bytes, more than the %d that are read", h.Name, h.Size, MaxLayer)
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	t.files[name] = tarEntry{at, h.Size}
	return nil
}

const gzipMagic = "\x1f\x8b"

// refuseCompressed names what people often have instead of a tar.
func refuseCompressed(f io.ReadSeeker) error {
	head := make([]byte, 6)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return err
	}
	for magic, program := range map[string]string{gzipMagic: "gunzip", "\x28\xb5\x2f\xfd": "unzstd", "\xfd7zXZ": "unxz", "BZh": "bunzip2"} {
		if bytes.HasPrefix(head[:n], []byte(magic)) {
			return fmt.Errorf("it is compressed; unpack it first with %s", program)
		}
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

// Open implements fs.FS.
func (t *tarFS) Open(name string) (fs.File, error) {
	e, ok := t.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &tarFile{io.NewSectionReader(t.from, e.offset, e.size), path.Base(name)}, nil
}

// tarFile is an open file of a tar, and what is known of it.
type tarFile struct {
	*io.SectionReader
	name string
}

// Stat implements fs.File.
func (f *tarFile) Stat() (fs.FileInfo, error) { return f, nil }

// Close implements fs.File.
func (f *tarFile) Close() error { return nil }

// Name implements fs.FileInfo, like the methods that follow.
func (f *tarFile) Name() string { return f.name }

// Mode is that of a regular file.
func (f *tarFile) Mode() fs.FileMode { return 0o444 }

// ModTime is not known.
func (f *tarFile) ModTime() time.Time { return time.Time{} }

// IsDir is false.
func (f *tarFile) IsDir() bool { return false }

// Sys is nil.
func (f *tarFile) Sys() any { return nil }

package builder

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// embedded holds headers.tar.zst in binaries made by make, else only a README.
//
//go:embed embedded
var embedded embed.FS

const headersArchive = "embedded/headers.tar.zst"

// ErrNoHeaders says that this binary cannot compile programs.
var ErrNoHeaders = errors.New("this binary was built without the eBPF headers (plain go build); build it with 'make build', or with 'make headers' first")

// headers are the unpacked header files.
type headers struct {
	// dir holds include/ (ours), libbpf/, vmlinux/ARCH/, uapi/ and uapi-ARCH/.
	dir string
	// digest of the archive, sha256:….
	digest string
	// temporary is true when dir is ours to remove.
	temporary bool
}

// openHeaders unpacks the headers that files holds below cache, or finds them
// there. A machine without a writable cache gets them in a temporary directory.
func openHeaders(files fs.FS, cache string) (headers, error) {
	archive, err := fs.ReadFile(files, headersArchive)
	if errors.Is(err, fs.ErrNotExist) {
		return headers{}, ErrNoHeaders
	}
	if err != nil {
		return headers{}, err
	}
	sum := sha256.Sum256(archive)
	h := headers{digest: "sha256:" + hex.EncodeToString(sum[:])}

	if cache == "" {
		if cache, err = os.UserCacheDir(); err == nil {
			cache = filepath.Join(cache, "gadget")
		}
	}
	if cache != "" {
		h.dir = filepath.Join(cache, "headers-"+hex.EncodeToString(sum[:8]))
		if err := unpackOnce(archive, h.dir); err == nil {
			return h, nil
		}
	}
	h.temporary = true
	if h.dir, err = os.MkdirTemp("", "gadget-headers-"); err != nil {
		return headers{}, fmt.Errorf("unpack eBPF headers: %w", err)
	}
	err = unpack(archive, h.dir)
	if err == nil {
		err = os.Chmod(h.dir, 0o755) // a container may read it as another user
	}
	if err != nil {
		return headers{}, errors.Join(fmt.Errorf("unpack eBPF headers: %w", err), os.RemoveAll(h.dir))
	}
	return h, nil
}

// close removes the headers if nobody else can use them.
func (h headers) close() {
	if h.temporary {
		_ = os.RemoveAll(h.dir)
	}
}

// unpackOnce makes dir in one step, so that it is complete whenever it exists,
// however many processes try at the same time.
func unpackOnce(archive []byte, dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, ".headers-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := unpack(archive, tmp); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	err = os.Rename(tmp, dir)
	if _, statErr := os.Stat(dir); statErr == nil {
		return nil // by us or by another process
	}
	return err
}

// unpack writes the regular files of a zstd compressed tar below dir.
func unpack(archive []byte, dir string) error {
	z, err := zstd.NewReader(bytes.NewReader(archive), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer z.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || !filepath.IsLocal(h.Name) {
			return fmt.Errorf("unexpected entry %q", h.Name)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
}

package builder

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf/btf"
	"github.com/ulikunitz/xz"
)

// maxTypes is more than the BTF of any kernel, in bytes.
const maxTypes = 64 << 20

// KernelTypes says where the types of kernels are that do not describe themselves,
// to be packed into the image.
type KernelTypes struct {
	// Archive is a directory in the form of BTFHub's archive:
	// ID/VERSION_ID/arch/release.btf, or .btf.tar.xz. "" packs nothing.
	Archive string
	// Runner are objects that runners load beside the gadget, and that need their
	// types, too.
	Runner [][]byte
}

// btfArch is how the archive names machines.
var btfArch = map[string]string{"amd64": "x86_64", "arm64": "arm64"}

// layer is a btfgen layer (compat-spec §2.5): a tar.gz with the types of all
// kernels of the archive for one architecture, as far as the gadget's object and
// the runner's look at them.
func (k *KernelTypes) layer(arch string, object []byte) ([]byte, error) {
	var names []string
	for _, o := range append([][]byte{object}, k.Runner...) {
		if o == nil {
			continue
		}
		more, err := relocatedTypes(o)
		if err != nil {
			return nil, fmt.Errorf("read types that the program needs: %w", err)
		}
		names = append(names, more...)
	}
	slices.Sort(names)
	names = slices.Compact(names)

	files, err := k.files(arch)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no types of kernels for %s: there is no file ID/VERSION/%s/*.btf or *.btf.tar.xz", k.Archive, arch, btfArch[arch])
	}
	var packed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	out := tar.NewWriter(zip)
	for _, file := range files {
		if err := k.pack(out, file, names); err != nil {
			return nil, fmt.Errorf("pack types of kernels: %s: %w", filepath.Join(k.Archive, file), err)
		}
	}
	if err := errors.Join(out.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// files of the archive for an architecture, sorted.
func (k *KernelTypes) files(arch string) ([]string, error) {
	var files []string
	root := os.DirFS(k.Archive)
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		parts := strings.Split(path, "/")
		if len(parts) < 4 || parts[len(parts)-2] != btfArch[arch] {
			return nil
		}
		if strings.HasSuffix(path, ".btf") || strings.HasSuffix(path, ".btf.tar.xz") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read archive of kernels' types: %w", err)
	}
	return files, nil
}

// pack adds the reduced types of one file to the layer.
func (k *KernelTypes) pack(out *tar.Writer, file string, names []string) error {
	raw, err := readKernelTypes(filepath.Join(k.Archive, file))
	if err != nil {
		return err
	}
	kernel, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	small, err := reduceTypes(kernel, names)
	if err != nil {
		return err
	}
	// The last four parts, wherever the archive begins.
	parts := strings.Split(strings.TrimSuffix(file, ".tar.xz"), "/")
	header := &tar.Header{
		Name: strings.Join(parts[len(parts)-4:], "/"), Typeflag: tar.TypeReg, Mode: 0o644,
		Size: int64(len(small)), ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err = out.Write(small)
	return err
}

// readKernelTypes reads a file of BTF, or the one in a .tar.xz.
func readKernelTypes(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var content io.Reader = f
	if strings.HasSuffix(file, ".tar.xz") {
		unzip, err := xz.NewReader(f)
		if err != nil {
			return nil, err
		}
		files := tar.NewReader(unzip)
		for {
			header, err := files.Next()
			if errors.Is(err, io.EOF) {
				return nil, errors.New("there is no file *.btf in it")
			}
			if err != nil {
				return nil, err
			}
			if header.Typeflag == tar.TypeReg && strings.HasSuffix(header.Name, ".btf") {
				content = files
				break
			}
		}
	}
	raw, err := io.ReadAll(io.LimitReader(content, maxTypes+1))
	if err == nil && len(raw) > maxTypes {
		err = fmt.Errorf("it has more than %d bytes", maxTypes)
	}
	return raw, err
}

package runner

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// btfPath is where the kernel describes its types.
const btfPath = "/sys/kernel/btf/vmlinux"

// Limits on a btfgen layer: one file of types, and all of them.
const (
	maxTypes    = 64 << 20
	maxAllTypes = 4 << 30
)

// chooseTypes makes the kernel of a run: with the types of a file, its own, or
// those that the image has for it.
func chooseTypes(o *Options) (*kernel, error) {
	if o.BTF != "" {
		given, err := readTypes(o.BTF)
		if err != nil {
			return nil, err
		}
		return newKernel(given), nil
	}
	k := newKernel(nil)
	if _, err := os.Stat(btfPath); err == nil {
		return k, nil
	}
	// The library also looks for a kernel image with types.
	if _, err := k.types(); err == nil {
		return k, nil
	}
	missing := &HostError{Need: "BTF type information (" + btfPath + ")",
		Hint: "give the types of this kernel by --btf FILE, take an image with a btfgen layer for it, " +
			"or use a kernel built with CONFIG_DEBUG_INFO_BTF=y; all current distributions ship one"}
	if len(o.BTFGen) == 0 {
		return nil, missing
	}
	name, err := typesName(k.Release())
	if err != nil {
		return nil, err
	}
	raw, err := findTypes(o.BTFGen, name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("btfgen layer of the image: %w", err)
	case raw == nil:
		missing.Err = fmt.Errorf("the image has none for %s either", name)
		return nil, missing
	}
	given, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("btfgen layer of the image: %s: %w", name, err)
	}
	return newKernel(given), nil
}

// readTypes reads a file of BTF, or the BTF of an ELF file such as vmlinux.
func readTypes(file string) (*btf.Spec, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("types of the kernel: %w", err)
	}
	defer f.Close()
	if object, err := elf.NewFile(f); err == nil && object.Machine == elf.EM_BPF {
		return nil, fmt.Errorf("types of the kernel: %s is an eBPF program, which has types of its own only", file)
	}
	types, err := btf.LoadSpecFromReader(f)
	if errors.Is(err, btf.ErrNotFound) {
		return nil, fmt.Errorf("types of the kernel: %s has no section .BTF", file)
	}
	if err != nil {
		return nil, fmt.Errorf("types of the kernel: %s is neither BTF nor an ELF file with BTF (%w)", file, err)
	}
	return types, nil
}

// btfArch is how archives of BTF files name machines.
var btfArch = map[string]string{"amd64": "x86_64", "arm64": "arm64"}

// typesName is the name of this kernel's types in a btfgen layer (compat-spec §2.5):
// ID/VERSION_ID/arch/release.btf, the first two from os-release(5).
func typesName(release string) (string, error) {
	// In a container the first process may be the host's, whose kernel it is.
	for _, file := range []string{"/proc/1/root/etc/os-release", "/etc/os-release", "/usr/lib/os-release"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		id, version := parseOSRelease(string(text))
		return path.Join(id, version, btfArch[runtime.GOARCH], release+".btf"), nil
	}
	return "", errors.New("choose types of the image: this machine has no /etc/os-release")
}

// parseOSRelease reads ID and VERSION_ID.
func parseOSRelease(text string) (id, version string) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"'`); key {
		case "ID":
			id = value
		case "VERSION_ID":
			version = value
		}
	}
	return id, version
}

// findTypes returns a file of a tar.gz, nil when it is not in there.
func findTypes(archive []byte, name string) ([]byte, error) {
	unzip, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, fmt.Errorf("it is no tar.gz: %w", err)
	}
	files := tar.NewReader(io.LimitReader(unzip, maxAllTypes))
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("it is no tar.gz: %w", err)
		}
		if path.Clean(header.Name) != name || header.Typeflag != tar.TypeReg {
			continue
		}
		if header.Size > maxTypes {
			return nil, fmt.Errorf("%s has %d bytes, more than %d", name, header.Size, maxTypes)
		}
		return io.ReadAll(files)
	}
}

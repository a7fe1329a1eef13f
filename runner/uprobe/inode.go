package uprobe

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// bpf holds the program's source and, when the binary was made by make, its
// object: the directory is embedded so that a plain go build works too.
//
//go:embed bpf
var bpf embed.FS

// inode is what uprobes are attached to: the same file may have many paths, and
// another number in each container.
type inode struct {
	// device as the kernel has it, number of the inode on it.
	device, number uint64
}

// inodes finds out what is behind an open file.
type inodes struct {
	// coll is nil where the kernel shows it in /proc/self/maps: before 6.8.
	coll *ebpf.Collection
}

// newInodes loads the program that looks at our own mappings. Kernels before 5.17
// lack what it needs, and do without.
func newInodes(loading ebpf.CollectionOptions) (*inodes, error) {
	object, err := bpf.ReadFile("bpf/inode.bpf.o")
	if err != nil {
		return &inodes{}, fmt.Errorf("this binary was built without it: %w", err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return &inodes{}, err
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, loading)
	if err != nil {
		return &inodes{}, err
	}
	return &inodes{coll}, nil
}

func (i *inodes) close() {
	if i.coll != nil {
		i.coll.Close()
	}
}

// of returns the inode of an open file.
func (i *inodes) of(f *os.File) (inode, error) {
	page := os.Getpagesize()
	mem, err := unix.Mmap(int(f.Fd()), 0, page, unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return inode{}, fmt.Errorf("map %s: %w", f.Name(), err)
	}
	defer func() { _ = unix.Munmap(mem) }()
	address := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem))))
	if i.coll == nil {
		return mapped(address)
	}
	// struct query of inode.bpf.c.
	q := struct {
		Address, Inode uint64
		Device, Found  uint32
	}{Address: address}
	// A lock of ours that another thread holds makes it find nothing.
	for range 100 {
		if _, err := i.coll.Programs["inode"].Run(&ebpf.RunOptions{Context: &q, ContextOut: &q}); err != nil {
			return inode{}, fmt.Errorf("inode of %s: %w", f.Name(), err)
		}
		if q.Found != 0 {
			return inode{uint64(q.Device), q.Inode}, nil
		}
	}
	return inode{}, fmt.Errorf("inode of %s: the kernel does not tell", f.Name())
}

// mapped returns the inode that /proc/self/maps shows for a mapping.
func mapped(address uint64) (inode, error) {
	text, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return inode{}, err
	}
	prefix := strconv.FormatUint(address, 16) + "-"
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			m, err := parseMapping(prefix + rest)
			return inode{uint64(m.major)<<20 | uint64(m.minor), m.inode}, err
		}
	}
	return inode{}, errors.New("a mapping of ours is not in /proc/self/maps")
}

package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// bpffs is where maps are pinned by name (LIBBPF_PIN_BY_NAME): they keep their
// content from one run to the next, and gadgets share those of a name.
const bpffs = "/sys/fs/bpf"

// newCollection loads a spec with its pinned maps. Those that it pins itself are
// unpinned again when that fails.
func newCollection(spec *ebpf.CollectionSpec, opts ebpf.CollectionOptions) (*ebpf.Collection, error) {
	var fresh []string
	for _, m := range spec.Maps {
		if m.Pinning != ebpf.PinByName {
			continue
		}
		if err := ensureBPFFS(); err != nil {
			return nil, err
		}
		opts.Maps.PinPath = bpffs
		file := filepath.Join(bpffs, m.Name)
		if _, err := os.Lstat(file); errors.Is(err, fs.ErrNotExist) {
			fresh = append(fresh, file)
		}
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, opts)
	if err == nil {
		return coll, nil
	}
	for _, file := range fresh {
		// Not there when it came to nothing before this map.
		_ = os.Remove(file)
	}
	if errors.Is(err, ebpf.ErrMapIncompatible) {
		return nil, fmt.Errorf("%w: it is another gadget's or version's; remove it from %s if nobody needs it", err, bpffs)
	}
	return nil, err
}

// ensureBPFFS mounts the file system of pinned maps where nothing has done it yet.
func ensureBPFFS() error {
	var fs unix.Statfs_t
	if err := unix.Statfs(bpffs, &fs); err == nil && fs.Type == unix.BPF_FS_MAGIC {
		return nil
	}
	if err := unix.Mount("bpf", bpffs, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700"); err != nil {
		return &HostError{Need: "a file system for pinned maps", Err: err,
			Hint: "mount it: mount -t bpf bpf " + bpffs}
	}
	return nil
}

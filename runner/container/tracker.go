package container

import (
	"bytes"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// bpf holds the tracker's source and, when the binary was made by make, its
// object: the directory is embedded so that a plain go build works too.
//
//go:embed bpf
var bpf embed.FS

// ErrNoTracker means that the binary was built without the tracker's object.
var ErrNoTracker = errors.New("this binary was built without its container tracker, " +
	"as a plain go build does: run make build, which compiles runner/container/bpf/tracker.bpf.c")

const (
	// FilterMapName is the map by which gadgets filter mount namespaces.
	FilterMapName = "gadget_mntns_filter_map"
	// FilterMapEntries is its capacity, in mount namespaces.
	FilterMapEntries = 16384
)

// NewFilterMap makes the map that filters mount namespaces: give it to the gadget
// in place of its own, and to [Start]. The caller closes it.
func NewFilterMap() (*ebpf.Map, error) {
	if err := allowMaps(); err != nil {
		return nil, err
	}
	m, err := ebpf.NewMap(&ebpf.MapSpec{
		Name: "gadget_mntns", Type: ebpf.Hash, KeySize: 8, ValueSize: 4, MaxEntries: FilterMapEntries,
	})
	if err != nil {
		return nil, fmt.Errorf("create filter map: %w", err)
	}
	return m, nil
}

// allowMaps lifts the limit of locked memory, against which kernels before 5.11
// count maps.
func allowMaps() error {
	if err := rlimit.RemoveMemlock(); err != nil {
		return fmt.Errorf("lift the limit of locked memory: %w", err)
	}
	return nil
}

// Kinds of sightings.
const (
	seen  = 1
	dying = 2
)

// sighting is what the tracker tells of a mount namespace. The layout is that of
// struct sighting in tracker.bpf.c.
type sighting struct {
	Kind       uint32
	PID        uint32
	MntNS      uint64
	Generation uint64
	// Boot is the time of the sighting, Started that of the process.
	Boot, Started uint64
	CgroupID      uint64
	NetNS         uint32
	_             uint32
	Leaf          [160]byte
	Parent        [64]byte
	Comm          [16]byte
}

const sightingSize = 296

// cgroupPath is the end of the cgroup path of the process, as the kernel saw it.
func (s *sighting) cgroupPath() string {
	text := func(b []byte) string {
		if i := bytes.IndexByte(b, 0); i >= 0 {
			b = b[:i]
		}
		return string(b)
	}
	return "/" + text(s.Parent[:]) + "/" + text(s.Leaf[:])
}

// same says whether two sightings of one number are of the same namespace. A scan
// of /proc does not know generations.
func (s *sighting) same(other *sighting) bool {
	return s.Generation == other.Generation || s.Generation == 0 || other.Generation == 0
}

func decodeSighting(raw []byte) (sighting, error) {
	var s sighting
	_, err := binary.Decode(raw, binary.NativeEndian, &s)
	if err != nil {
		return s, fmt.Errorf("decode sighting of %d bytes: %w", len(raw), err)
	}
	return s, nil
}

// known is a value of the tracker's map of the same name.
type known struct {
	Generation uint64
	PID        uint32
	Snapshot   uint32
	NetNS      uint32
	_          uint32
}

// tracker is the eBPF side.
type tracker struct {
	coll  *ebpf.Collection
	links []link.Link
	// tasks is nil where a scan of view has to do.
	tasks *link.Iter
	view  *hostView
	ring  *ringbuf.Reader
	// announced says where its counter of sightings is.
	announced *ebpf.VariableSpec
	round     uint32
}

// loadTracker brings the tracker into the kernel and makes it watch. New
// namespaces enter the filter map, unless there is none. The namespaces that exist
// before are those of the next snapshot. Without iterate, or on a kernel without
// iterators of tasks, snapshots are scans of /proc.
func loadTracker(o *Options, view *hostView, iterate bool) (*tracker, error) {
	spec, err := trackerSpec()
	if err != nil {
		return nil, err
	}
	if err := allowMaps(); err != nil {
		return nil, err
	}
	opts := ebpf.CollectionOptions{Cache: o.Types, Programs: ebpf.ProgramOptions{KernelTypes: o.GivenTypes}}
	if o.FilterMap != nil {
		opts.MapReplacements = map[string]*ebpf.Map{FilterMapName: o.FilterMap}
	} else {
		spec.Maps[FilterMapName].MaxEntries = 1
	}
	if err := spec.Variables["provisional"].Set(o.FilterMap != nil); err != nil {
		return nil, fmt.Errorf("configure container tracker: %w", err)
	}
	if !iterate {
		delete(spec.Programs, "snapshot")
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, opts)
	if err != nil {
		return nil, fmt.Errorf("load container tracker: %w", err)
	}
	t := &tracker{coll: coll, view: view, announced: spec.Variables["announced"]}
	if err := t.start(); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

// Object is the eBPF object of the tracker, for whoever packs the kernel's types
// that it needs. The error is [ErrNoTracker] when the binary has none.
func Object() ([]byte, error) {
	object, err := bpf.ReadFile("bpf/tracker.bpf.o")
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoTracker
	}
	return object, err
}

func trackerSpec() (*ebpf.CollectionSpec, error) {
	object, err := Object()
	if err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("read container tracker: %w", err)
	}
	return spec, nil
}

func (t *tracker) start() error {
	var err error
	t.ring, err = ringbuf.NewReader(t.coll.Maps["sightings"])
	if err != nil {
		return fmt.Errorf("open container tracker's ring: %w", err)
	}
	if program := t.coll.Programs["snapshot"]; program != nil {
		t.tasks, err = link.AttachIter(link.IterOptions{Program: program})
		if err != nil {
			return fmt.Errorf("attach container tracker's snapshot: %w", err)
		}
	}
	// A first look tells the programs what is not new; what comes between it and
	// the last attachment is in the next.
	if _, err := t.snapshot(); err != nil {
		return err
	}
	for _, hook := range []struct{ tracepoint, program string }{
		{"task_newtask", "newtask"},
		{"sched_process_exec", "process_exec"},
		{"sched_process_exit", "process_exit"},
	} {
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{
			Name: hook.tracepoint, Program: t.coll.Programs[hook.program],
		})
		if err != nil {
			return fmt.Errorf("attach container tracker to %s: %w", hook.tracepoint, err)
		}
		t.links = append(t.links, l)
	}
	return nil
}

// snapshot lists the mount namespaces that have a process, each once with its
// lowest process.
func (t *tracker) snapshot() ([]sighting, error) {
	if t.tasks == nil {
		return t.view.scan()
	}
	t.round++
	if err := t.coll.Variables["snapshot_number"].Set(t.round); err != nil {
		return nil, fmt.Errorf("number snapshot of mount namespaces: %w", err)
	}
	rd, err := t.tasks.Open()
	if err != nil {
		return nil, fmt.Errorf("open snapshot of mount namespaces: %w", err)
	}
	defer rd.Close()
	raw, err := io.ReadAll(rd)
	if err != nil {
		return nil, fmt.Errorf("read snapshot of mount namespaces: %w", err)
	}
	list := make([]sighting, 0, len(raw)/sightingSize)
	for ; len(raw) >= sightingSize; raw = raw[sightingSize:] {
		s, err := decodeSighting(raw[:sightingSize])
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// next waits for a sighting. After close it returns [os.ErrClosed].
func (t *tracker) next() (sighting, error) {
	rec, err := t.ring.Read()
	if err != nil {
		return sighting{}, err
	}
	return decodeSighting(rec.RawSample)
}

// refused is the number of namespaces that found no room in the filter.
func (t *tracker) refused() uint64 {
	var n uint64
	if err := t.coll.Variables["refused"].Get(&n); err != nil {
		return 0
	}
	return n
}

// shareAnnounced lets a table see the tracker's counter of sightings without a
// system call. The mapping lives as long as the table does, longer than the tracker.
func (t *tracker) shareAnnounced(table *Table) error {
	mem, err := unix.Mmap(t.coll.Maps[t.announced.SectionName].FD(), 0, os.Getpagesize(),
		unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map container tracker's counter: %w", err)
	}
	table.announced = (*uint64)(unsafe.Pointer(&mem[t.announced.Offset]))
	runtime.AddCleanup(table, func(mem []byte) { _ = unix.Munmap(mem) }, mem)
	return nil
}

// stop detaches the tracker and ends next; snapshots can still be taken. It may
// be called when start came only half-way, and again.
func (t *tracker) stop() error {
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	t.links = nil
	if t.ring != nil {
		errs = append(errs, t.ring.Close())
	}
	return errors.Join(errs...)
}

// close stops the tracker and frees what it holds.
func (t *tracker) close() error {
	errs := []error{t.stop()}
	if t.tasks != nil {
		errs = append(errs, t.tasks.Close())
	}
	t.coll.Close()
	return errors.Join(errs...)
}

package process

import (
	"bytes"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
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
var ErrNoTracker = errors.New("this binary was built without its process tracker, " +
	"as a plain go build does: run make build, which compiles runner/process/bpf/process.bpf.c")

const (
	// FilterMapName is the map by which gadgets filter processes.
	FilterMapName = "gadget_process_filter_map"
	// slots is SLOTS of process.bpf.c.
	slots = 4096
)

// Reasons why a process is in the set, enum reason of process.bpf.c.
const (
	descends = 1
	inCgroup = 2
)

// known is struct process of process.bpf.c.
type known struct {
	Started, Cgroup uint64
	Descends        uint32
	_               uint32
}

// made is struct made of process.bpf.c.
type made struct {
	Cgroup uint64
	Path   [1024]byte
}

func (m *made) path() string {
	path, _, _ := bytes.Cut(m.Path[:], []byte{0})
	return string(path)
}

// tracker is the eBPF side.
type tracker struct {
	coll  *ebpf.Collection
	links []link.Link
	news  *ringbuf.Reader

	processes, members, cgroups *ebpf.Map
	// changed counts changes by slot, in memory shared with the kernel.
	changed *[slots]uint32
}

// Object is the eBPF object of the tracker, for whoever packs the kernel's types
// that it needs. The error is [ErrNoTracker] when the binary has none.
func Object() ([]byte, error) {
	object, err := bpf.ReadFile("bpf/process.bpf.o")
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoTracker
	}
	return object, err
}

// loadTracker brings the tracker into the kernel and makes it watch.
func loadTracker(o *Options, choosing bool) (*tracker, error) {
	object, err := Object()
	if err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		return nil, fmt.Errorf("read process tracker: %w", err)
	}
	// Kernels before 5.11 count maps against it.
	if err := rlimit.RemoveMemlock(); err != nil {
		return nil, fmt.Errorf("lift the limit of locked memory: %w", err)
	}
	if err := spec.Variables["choosing"].Set(choosing); err != nil {
		return nil, fmt.Errorf("configure process tracker: %w", err)
	}
	changed := spec.Variables["changed"]
	opts := ebpf.CollectionOptions{Cache: o.Types, Programs: ebpf.ProgramOptions{KernelTypes: o.GivenTypes}}
	coll, err := ebpf.NewCollectionWithOptions(spec, opts)
	if err != nil {
		return nil, fmt.Errorf("load process tracker: %w", err)
	}
	t := &tracker{
		coll:      coll,
		processes: coll.Maps["processes"], members: coll.Maps[FilterMapName], cgroups: coll.Maps["cgroups"],
	}
	if err := t.start(changed); err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *tracker) start(changed *ebpf.VariableSpec) error {
	var err error
	if t.news, err = ringbuf.NewReader(t.coll.Maps["news"]); err != nil {
		return fmt.Errorf("open process tracker's ring: %w", err)
	}
	if err := t.share(changed); err != nil {
		return err
	}
	for _, hook := range []struct{ tracepoint, program string }{
		{"cgroup_mkdir", "cgroup_mkdir"},
		{"cgroup_attach_task", "attach_task"},
		{"task_newtask", "newtask"},
		{"sched_process_free", "process_free"},
	} {
		l, err := link.AttachRawTracepoint(link.RawTracepointOptions{
			Name: hook.tracepoint, Program: t.coll.Programs[hook.program],
		})
		if err != nil {
			return fmt.Errorf("attach process tracker to %s: %w", hook.tracepoint, err)
		}
		t.links = append(t.links, l)
	}
	return nil
}

// share lets user space see the counters of changes without a system call. The
// mapping lives as long as the tracker's memory does.
func (t *tracker) share(changed *ebpf.VariableSpec) error {
	end := int(changed.Offset) + slots*4
	page := os.Getpagesize()
	mem, err := unix.Mmap(t.coll.Maps[changed.SectionName].FD(), 0, (end+page-1)/page*page, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map process tracker's counters: %w", err)
	}
	t.changed = (*[slots]uint32)(unsafe.Pointer(&mem[changed.Offset]))
	runtime.AddCleanup(t, func(mem []byte) { _ = unix.Munmap(mem) }, mem)
	return nil
}

// next waits for a cgroup that is made. After close it returns [os.ErrClosed].
func (t *tracker) next() (m made, err error) {
	rec, err := t.news.Read()
	if err != nil {
		return m, err
	}
	if _, err := binary.Decode(rec.RawSample, binary.NativeEndian, &m); err != nil {
		return m, fmt.Errorf("decode news of %d bytes: %w", len(rec.RawSample), err)
	}
	return m, nil
}

// include takes a process into the set.
func (t *tracker) include(pid, why uint32) error {
	var before uint32
	if t.members.Lookup(pid, &before) == nil {
		why |= before
	}
	if err := t.members.Put(pid, why); err != nil {
		return fmt.Errorf("choose process %d: %w", pid, err)
	}
	return nil
}

// exclude takes those out of the set that are there for a cgroup only.
func (t *tracker) exclude(cgroup uint64) error {
	var pid, why uint32
	var out []uint32
	members := t.members.Iterate()
	for members.Next(&pid, &why) {
		var p known
		if why == inCgroup && t.processes.Lookup(pid, &p) == nil && p.Cgroup == cgroup {
			out = append(out, pid)
		}
	}
	// Whoever enters the set meanwhile may make it end early: they go with the next.
	if err := members.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return fmt.Errorf("list chosen processes: %w", err)
	}
	for _, pid := range out {
		if err := t.members.Delete(pid); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("leave out process %d: %w", pid, err)
		}
	}
	return nil
}

// refused is the number of processes that found no room in the set.
func (t *tracker) refused() (n uint64) {
	if err := t.coll.Variables["refused"].Get(&n); err != nil {
		return 0
	}
	return n
}

// close detaches the tracker and frees what it holds.
func (t *tracker) close() error {
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	if t.news != nil {
		errs = append(errs, t.news.Close())
	}
	t.coll.Close()
	return errors.Join(errs...)
}

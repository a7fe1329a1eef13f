package runner

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/pipe"
)

// iterators are the attached programs of an Iterator data source.
type iterators struct {
	list []iterator
	// table knows the network namespaces.
	table *container.Table
}

type iterator struct {
	*link.Iter
	// perNetwork is true for one that is to be read in each network namespace.
	perNetwork bool
}

// openIterators attaches the programs whose rows make a batch. Attaching an
// iterator runs nothing: reading it does.
func (r *run) openIterators(s *plan.Source) (iterators, error) {
	var its iterators
	if r.watcher != nil {
		its.table = r.watcher.Table()
	}
	for _, name := range s.Programs {
		prog := r.plan.Program(name)
		if !r.choice.uses(name) {
			continue
		}
		it, err := attachIterator(prog, r.loaded.coll)
		if err != nil {
			its.close()
			return its, &AttachError{Program: name, Section: prog.Section, Hook: prog.Hook, Err: err}
		}
		its.list = append(its.list, iterator{it, perNetwork(prog)})
	}
	return its, nil
}

func attachIterator(prog *plan.Program, coll *ebpf.Collection) (*link.Iter, error) {
	o := link.IterOptions{Program: coll.Programs[prog.Name]}
	if prog.Target != "" {
		if o.Map = coll.Maps[prog.Target]; o.Map == nil {
			return nil, fmt.Errorf("GADGET_ITER_TARGET_MAP: no map %q in the object", prog.Target)
		}
	}
	if prog.Hook == "cgroup" {
		return attachCgroupIterator(o.Program)
	}
	it, err := link.AttachIter(o)
	if errors.Is(err, unix.EBADF) && o.Map == nil {
		return nil, errors.New("it walks a map: say which one by GADGET_ITER_TARGET_MAP")
	}
	return it, err
}

// cgroupOrder is BPF_CGROUP_ITER_DESCENDANTS_PRE of enum bpf_cgroup_iter_order:
// parents before their children.
const cgroupOrder = 2

// attachCgroupIterator attaches an iterator of control groups. The kernel wants to
// know which, and in what order: all of the unified hierarchy.
func attachCgroupIterator(prog *ebpf.Program) (*link.Iter, error) {
	// The member cgroup of union bpf_iter_link_info, and link_create of union
	// bpf_attr (include/uapi/linux/bpf.h).
	info := struct {
		order, fd uint32
		id        uint64
	}{order: cgroupOrder}
	attr := struct {
		prog, target, attach, flags uint32
		info                        unsafe.Pointer
		infoSize, _                 uint32
	}{
		prog: uint32(prog.FD()), attach: uint32(ebpf.AttachTraceIter),
		info: unsafe.Pointer(&info), infoSize: uint32(unsafe.Sizeof(info)),
	}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_LINK_CREATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return nil, fmt.Errorf("link iterator of control groups: %w", errno)
	}
	l, err := link.NewFromFD(int(fd))
	if err != nil {
		return nil, fmt.Errorf("link iterator of control groups: %w", err)
	}
	return l.(*link.Iter), nil
}

func (its iterators) close() {
	for _, it := range its.list {
		_ = it.Close()
	}
}

// fetch appends the rows of all programs, one after the other.
func (its iterators) fetch(dst []byte) ([]byte, error) {
	for _, it := range its.list {
		read := func() (err error) {
			dst, err = readIterator(it.Iter, dst)
			return err
		}
		err := error(nil)
		if it.perNetwork {
			err = eachNetwork(its.table, read)
		} else {
			err = read()
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// readIterator runs an iterator once and appends what it writes.
func readIterator(it *link.Iter, dst []byte) ([]byte, error) {
	rd, err := it.Open()
	if err != nil {
		return dst, fmt.Errorf("open iterator: %w", err)
	}
	defer rd.Close()
	for {
		if cap(dst)-len(dst) < 32<<10 {
			dst = append(make([]byte, 0, 2*cap(dst)+64<<10), dst...)
		}
		n, err := rd.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, fmt.Errorf("read iterator: %w", err)
		}
	}
}

// mapChunk is how many entries of a map are read and deleted by one system call,
// unless a bucket of the hash holds more.
const mapChunk = 512

// fetchMap reads and empties a hash map: each row is a key followed by its value.
func fetchMap(m *ebpf.Map) pipe.Fetch {
	keys := newEntries(m.KeySize(), mapChunk)
	values := newEntries(m.ValueSize(), mapChunk)
	return func(dst []byte) ([]byte, error) {
		var cursor ebpf.MapBatchCursor
		for {
			n, err := m.BatchLookupAndDelete(&cursor, keys.slice, values.slice, nil)
			for i := range n {
				dst = append(append(dst, keys.at(i)...), values.at(i)...)
			}
			switch {
			case errors.Is(err, ebpf.ErrKeyNotExist):
				return dst, nil
			case errors.Is(err, unix.ENOSPC) && keys.n < int(m.MaxEntries()):
				keys, values = newEntries(m.KeySize(), 2*keys.n), newEntries(m.ValueSize(), 2*values.n)
			case err != nil:
				return dst, fmt.Errorf("read and empty map %s: %w", m, err)
			}
		}
	}
}

// entries is room for keys or values of a size known only at run time, in the
// form that batch operations want: a slice of arrays. raw is the same memory.
type entries struct {
	slice   any
	raw     []byte
	size, n int
}

func newEntries(size uint32, n int) entries {
	v := reflect.MakeSlice(reflect.SliceOf(reflect.ArrayOf(int(size), reflect.TypeFor[byte]())), n, n)
	return entries{
		slice: v.Interface(), size: int(size), n: n,
		raw: unsafe.Slice((*byte)(v.UnsafePointer()), n*int(size)),
	}
}

func (e *entries) at(i int) []byte { return e.raw[i*e.size:][:e.size] }

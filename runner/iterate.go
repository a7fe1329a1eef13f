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
	"github.com/gadget-bpf/gadget/runner/pipe"
)

// iterators are the attached programs of an Iterator data source.
type iterators []*link.Iter

// openIterators attaches the programs whose rows make a batch. Attaching an
// iterator runs nothing: reading it does.
func openIterators(p *plan.Plan, c *choice, s *plan.Source, coll *ebpf.Collection) (iterators, error) {
	var its iterators
	for _, name := range s.Programs {
		if !c.uses(name) {
			continue
		}
		prog := p.Program(name)
		o := link.IterOptions{Program: coll.Programs[name]}
		if prog.Target != "" {
			if o.Map = coll.Maps[prog.Target]; o.Map == nil {
				its.close()
				return nil, fmt.Errorf("GADGET_ITER_TARGET_MAP %s: no map %q in the object", name, prog.Target)
			}
		}
		it, err := link.AttachIter(o)
		if err != nil {
			its.close()
			return nil, &AttachError{Program: name, Section: prog.Section, Hook: prog.Hook, Err: err}
		}
		its = append(its, it)
	}
	return its, nil
}

func (its iterators) close() {
	for _, it := range its {
		_ = it.Close()
	}
}

// fetch appends the rows of all programs, one after the other.
func (its iterators) fetch(dst []byte) ([]byte, error) {
	for _, it := range its {
		var err error
		if dst, err = readIterator(it, dst); err != nil {
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

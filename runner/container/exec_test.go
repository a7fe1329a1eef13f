package container

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/gadget-bpf/gadget/internal/event"
)

// execEvent is struct event of testdata/execs.bpf.c.
type execEvent struct {
	MntNS, Boot uint64
	PID         uint32
	Filename    [236]byte
}

func (e *execEvent) file() string {
	name, _, _ := bytes.Cut(e.Filename[:], []byte{0})
	return string(name)
}

// execTracer is a gadget in small: it traces execs through the filter map.
type execTracer struct {
	ring *ringbuf.Reader
	// read is how many events next has returned.
	read int
}

// compile makes the test's own gadget, once.
var compileExecs = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "execs")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	object := filepath.Join(dir, "execs.bpf.o")
	clang := "clang"
	if _, err := exec.LookPath(clang); err != nil {
		clang = "clang-19"
	}
	out, err := exec.Command(clang, "-target", "bpf", "-O2", "-g", "-Wall", "-Werror",
		"-c", "testdata/execs.bpf.c", "-o", object).CombinedOutput()
	if err != nil {
		return nil, errors.Join(err, errors.New(string(out)))
	}
	return os.ReadFile(object)
})

// startExecs loads and attaches the tracer; with a nil map it traces everything.
func startExecs(t *testing.T, filter *ebpf.Map) *execTracer {
	t.Helper()
	object, err := compileExecs()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	var o ebpf.CollectionOptions
	if filter != nil {
		if err := spec.Variables["gadget_filter_by_mntns"].Set(true); err != nil {
			t.Fatal(err)
		}
		o.MapReplacements = map[string]*ebpf.Map{FilterMapName: filter}
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(coll.Close)
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{
		Name: "sched_process_exec", Program: coll.Programs["trace_exec"],
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ring, err := ringbuf.NewReader(coll.Maps["events"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ring.Close() })
	return &execTracer{ring: ring}
}

// next returns the next event, or nil when none comes for a while.
func (e *execTracer) next(t *testing.T, patience time.Duration) *execEvent {
	t.Helper()
	e.ring.SetDeadline(time.Now().Add(patience))
	rec, err := e.ring.Read()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var ev execEvent
	if _, err := binary.Decode(rec.RawSample, binary.NativeEndian, &ev); err != nil {
		t.Fatal(err)
	}
	e.read++
	return &ev
}

// caught is an event after the hold-back.
type caught struct {
	execEvent
	container *event.Container
	// waited is how long it was held back.
	waited time.Duration
}

// catch reads events through the table, as the pipe does, until none has come for
// that long. Dropped ones are left out.
func (e *execTracer) catch(t *testing.T, table *Table, quiet time.Duration) []caught {
	t.Helper()
	var list []caught
	type heldEvent struct {
		execEvent
		since time.Time
	}
	var held []heldEvent
	judge := func(ev execEvent, since time.Time) bool {
		c, verdict := table.Judge(ev.MntNS, ev.Boot)
		if verdict == Emit {
			list = append(list, caught{ev, c, time.Since(since)})
		}
		return verdict != Wait
	}
	for idle := time.Duration(0); idle < quiet || len(held) > 0; {
		ev := e.next(t, 2*time.Millisecond)
		if ev != nil {
			idle = 0
			held = append(held, heldEvent{*ev, time.Now()})
		} else {
			idle += 2 * time.Millisecond
		}
		kept := held[:0]
		for _, h := range held {
			if !judge(h.execEvent, h.since) {
				kept = append(kept, h)
				if time.Since(h.since) > 5*time.Second {
					t.Fatalf("%s in %d waits for its owner since %v", h.file(), h.MntNS, h.since)
				}
			}
		}
		held = kept
	}
	return list
}

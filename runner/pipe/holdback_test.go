package pipe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container"
)

// owners is what a test says of mount namespaces.
type owners struct {
	verdicts   map[uint64]container.Verdict
	names      map[uint64]string
	generation uint64
	// meanwhile is called after an answer has been made, before it is heard.
	meanwhile func()
}

func (o *owners) Judge(mntns, _ uint64) (*event.Container, container.Verdict) {
	verdict := o.verdicts[mntns]
	if o.meanwhile != nil {
		o.meanwhile()
	}
	if verdict == container.Emit {
		return o.named(mntns), verdict
	}
	return nil, verdict
}

func (o *owners) Lookup(mntns, _ uint64) (*event.Container, container.State) {
	return o.named(mntns), container.Pending
}

func (o *owners) named(mntns uint64) *event.Container {
	if name, ok := o.names[mntns]; ok {
		return &event.Container{Name: name}
	}
	return nil
}

func (o *owners) Generation() uint64 { return o.generation }

// set changes what is known.
func (o *owners) set(mntns uint64, v container.Verdict) {
	o.verdicts[mntns] = v
	o.generation++
}

// holding is a hold-back whose events are a mount namespace and a number.
type holding struct {
	*HoldBack
	*owners
	t       *testing.T
	clock   time.Time
	emitted []string
}

func newHolding(t *testing.T) *holding {
	o := &owners{verdicts: map[uint64]container.Verdict{}, names: map[uint64]string{1: "one", 2: "two"}}
	h := &holding{owners: o, t: t, clock: time.Unix(0, 0)}
	h.HoldBack = NewHoldBack(&event.Layout{MntNS: &event.Field{Kind: event.Uint64, Size: 8}}, o, nil)
	h.now = func() time.Time { return h.clock }
	return h
}

func record(mntns, n uint64, size int) []byte {
	raw := make([]byte, max(size, 16))
	binary.NativeEndian.PutUint64(raw, mntns)
	binary.NativeEndian.PutUint64(raw[8:], n)
	return raw
}

// look takes events of a namespace, and emits those that need not wait.
func (h *holding) look(mntns uint64, numbers ...uint64) {
	for _, n := range numbers {
		raw := record(mntns, n, 0)
		if c, verdict := h.Look(raw); verdict == container.Emit {
			h.emit(raw, c)
		}
		clear(raw) // The reader uses it again.
	}
}

func (h *holding) emit(raw []byte, c *event.Container) error {
	name := "-"
	if c != nil {
		name = c.Name
	}
	h.emitted = append(h.emitted, fmt.Sprintf("%s %d", name, binary.NativeEndian.Uint64(raw[8:])))
	return nil
}

func (h *holding) release(all bool) (dropped uint64) {
	h.t.Helper()
	dropped, err := h.Release(all, h.emit)
	if err != nil {
		h.t.Error(err)
	}
	return dropped
}

// has checks what has been emitted so far.
func (h *holding) has(want ...string) {
	h.t.Helper()
	if diff := cmp.Diff(want, h.emitted); diff != "" {
		h.t.Error(diff)
	}
}

// Events of one namespace keep their order, whatever becomes known in between;
// those of others do not wait with them.
func TestHoldKeepsOrder(t *testing.T) {
	h := newHolding(t)
	h.set(1, container.Wait)
	h.look(1, 1, 2)
	h.look(2, 3)
	h.has("two 3")
	h.set(1, container.Emit)
	h.look(1, 4)
	h.has("two 3")
	h.release(false)
	h.has("two 3", "one 1", "one 2", "one 4")
	if !h.Empty() || h.Due() {
		t.Errorf("empty is %v, due is %v", h.Empty(), h.Due())
	}
	h.look(1, 5)
	h.has("two 3", "one 1", "one 2", "one 4", "one 5")
}

func TestHoldOfSeveralNamespaces(t *testing.T) {
	h := newHolding(t)
	h.set(1, container.Wait)
	h.set(2, container.Wait)
	h.look(1, 1)
	h.look(2, 2)
	h.look(1, 3)
	h.look(2, 4)
	h.set(2, container.Emit)
	h.release(false)
	h.has("two 2", "two 4")
	h.look(1, 5)
	h.set(1, container.Emit)
	h.release(false)
	h.has("two 2", "two 4", "one 1", "one 3", "one 5")
}

// What turns out to be nobody's wish is counted, not emitted.
func TestHoldDrops(t *testing.T) {
	h := newHolding(t)
	h.set(1, container.Wait)
	h.look(1, 1, 2)
	h.set(1, container.Drop)
	if dropped := h.release(false); dropped != 2 {
		t.Errorf("%d dropped, want 2", dropped)
	}
	h.has()
}

// Nothing is lost for want of time or room: it comes with what is known.
func TestHoldIsBounded(t *testing.T) {
	t.Run("time", func(t *testing.T) {
		h := newHolding(t)
		h.set(1, container.Wait)
		h.look(1, 1)
		h.clock = h.clock.Add(holdTime - time.Second)
		h.look(1, 2)
		h.release(false)
		h.has()
		h.clock = h.clock.Add(2 * time.Second)
		if !h.Due() {
			t.Error("not due when the time is up")
		}
		h.release(false)
		h.has("one 1")
		h.release(true)
		h.has("one 1", "one 2")
	})
	t.Run("room", func(t *testing.T) {
		h := newHolding(t)
		h.set(1, container.Wait)
		const size = 1 << 20
		n := uint64(0)
		for ; !h.Full(); n++ {
			if n > holdBytes/size {
				t.Fatal("never full")
			}
			h.Look(record(1, n, size))
		}
		h.release(true)
		if len(h.emitted) != int(n) {
			t.Errorf("%d of %d emitted", len(h.emitted), n)
		}
		if h.Full() || !h.Empty() {
			t.Error("still full")
		}
	})
}

// News between an answer and the note of it is not overlooked.
func TestHoldNoticesNews(t *testing.T) {
	h := newHolding(t)
	h.set(1, container.Wait)
	h.meanwhile = func() { h.meanwhile = nil; h.set(1, container.Emit) }
	h.look(1, 1)
	if !h.Due() {
		t.Fatal("not due")
	}
	h.release(false)
	h.has("one 1")

	h.set(1, container.Wait)
	h.look(1, 2)
	h.release(false)
	if h.Due() {
		t.Error("due without news")
	}
}

func TestHoldStopsAtError(t *testing.T) {
	h := newHolding(t)
	h.set(1, container.Wait)
	h.look(1, 1, 2)
	h.set(1, container.Emit)
	broken, calls := errors.New("broken"), 0
	_, err := h.Release(false, func([]byte, *event.Container) error { calls++; return broken })
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
}

// An event whose container is known costs no allocation.
func TestLookDoesNotAllocate(t *testing.T) {
	h := newHolding(t)
	h.names = nil
	raw := record(1, 1, 0)
	if n := testing.AllocsPerRun(1000, func() { h.Look(raw) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// members are processes that a test chose.
type members []uint32

func (m members) Member(pid uint32) bool { return slices.Contains(m, pid) }

// What nobody wants for its container comes when its process was chosen, with the
// container if there is one, also when it had to wait.
func TestChosenProcesses(t *testing.T) {
	layout := &event.Layout{
		MntNS: &event.Field{Kind: event.Uint64, Size: 8},
		PID:   &event.Field{Kind: event.Uint32, Offset: 8, Size: 4},
	}
	o := &owners{verdicts: map[uint64]container.Verdict{1: container.Emit, 2: container.Drop, 3: container.Wait}, names: map[uint64]string{1: "one"}}
	h := NewHoldBack(layout, o, members{7})
	raw := func(mntns uint64, pid uint32) []byte {
		return binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint64(nil, mntns), pid)
	}
	for _, tt := range []struct {
		mntns uint64
		pid   uint32
		want  container.Verdict
	}{
		{1, 7, container.Emit}, {1, 8, container.Emit},
		{2, 7, container.Emit}, {2, 8, container.Drop},
		{3, 7, container.Wait}, {3, 8, container.Wait},
	} {
		if _, got := h.Look(raw(tt.mntns, tt.pid)); got != tt.want {
			t.Errorf("namespace %d, process %d: %v, want %v", tt.mntns, tt.pid, got, tt.want)
		}
	}
	o.set(3, container.Drop)
	var emitted []byte
	dropped, err := h.Release(false, func(raw []byte, _ *event.Container) error {
		emitted = append(emitted, raw[8:]...)
		return nil
	})
	if err != nil || dropped != 1 || !bytes.Equal(emitted, raw(0, 7)[8:]) {
		t.Errorf("%d dropped, emitted %v: %v", dropped, emitted, err)
	}
}

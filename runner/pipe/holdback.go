package pipe

import (
	"encoding/binary"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container"
)

// Bounds of a [HoldBack].
const (
	// holdBytes is how much it keeps; beyond, events come with what is known.
	holdBytes = 8 << 20
	// holdTime is how long it keeps an event. The container table gives up much
	// earlier; this is for the case that it says nothing any more.
	holdTime = 5 * time.Second
)

// HoldBack keeps the events whose container is being found out, in order for
// each mount namespace, and never longer or more than its bounds. It belongs to
// the goroutine of its stream. While nothing is kept it costs one look-up an event
// and allocates nothing.
type HoldBack struct {
	table *container.Table
	// mntns and boot read the keys of an event; boot may be nil.
	mntns, boot *event.Field

	queue      []held
	bytes      int
	generation uint64
	// waiting counts the events of each mount namespace in queue.
	waiting map[uint64]int
	now     func() time.Time
}

// held is one event that waits.
type held struct {
	mntns, boot uint64
	since       time.Time
	raw         []byte
}

// NewHoldBack makes a hold-back for events of a layout with a mount namespace.
func NewHoldBack(l *event.Layout, table *container.Table) *HoldBack {
	return &HoldBack{table: table, mntns: l.MntNS, boot: l.Time, waiting: map[uint64]int{}, now: time.Now}
}

// Look says what to do with an event: emit it with that container, drop it, or
// nothing, because the hold-back has taken a copy of it.
func (h *HoldBack) Look(raw []byte) (*event.Container, container.Verdict) {
	mntns := binary.NativeEndian.Uint64(raw[h.mntns.Offset:])
	var boot uint64
	if h.boot != nil {
		boot = binary.NativeEndian.Uint64(raw[h.boot.Offset:])
	}
	if len(h.queue) == 0 || h.waiting[mntns] == 0 {
		c, verdict := h.table.Judge(mntns, boot)
		if verdict != container.Wait {
			return c, verdict
		}
		if len(h.queue) == 0 {
			h.generation = h.table.Generation()
		}
	}
	h.queue = append(h.queue, held{mntns, boot, h.now(), append([]byte(nil), raw...)})
	h.bytes += len(raw)
	h.waiting[mntns]++
	return nil, container.Wait
}

// Empty is true when nothing waits.
func (h *HoldBack) Empty() bool { return len(h.queue) == 0 }

// Full is true when Release must be called with all.
func (h *HoldBack) Full() bool { return h.bytes > holdBytes }

// Due is true when Release may find something to emit.
func (h *HoldBack) Due() bool {
	return len(h.queue) > 0 &&
		(h.generation != h.table.Generation() || h.now().Sub(h.queue[0].since) > holdTime)
}

// Release calls emit for the events that need not wait any more, in their order,
// and forgets those that nobody wants. With all, none stays: those whose
// container is still not known come with what there is. It stops at the first
// error of emit and returns it.
func (h *HoldBack) Release(all bool, emit func(raw []byte, c *event.Container) error) error {
	h.generation = h.table.Generation()
	kept := h.queue[:0]
	clear(h.waiting)
	h.bytes = 0
	var failed error
	for _, e := range h.queue {
		c, verdict := h.table.Judge(e.mntns, e.boot)
		patient := !all && h.now().Sub(e.since) <= holdTime
		switch {
		case h.waiting[e.mntns] > 0 || verdict == container.Wait && patient:
			kept = append(kept, e)
			h.waiting[e.mntns]++
			h.bytes += len(e.raw)
		case verdict == container.Drop || failed != nil:
		default:
			if verdict == container.Wait {
				c, _ = h.table.Lookup(e.mntns, e.boot)
			}
			failed = emit(e.raw, c)
		}
	}
	clear(h.queue[len(kept):])
	h.queue = kept
	return failed
}

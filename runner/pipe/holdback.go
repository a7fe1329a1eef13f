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
// each namespace, and never longer or more than its bounds. It belongs to
// the goroutine of its stream. While nothing is kept it costs one look-up an event
// and allocates nothing.
type HoldBack struct {
	owners  Owners
	members Members
	layout  *event.Layout

	queue      []held
	bytes      int
	generation uint64
	// waiting counts the events of each namespace in queue.
	waiting map[uint64]int
	now     func() time.Time
}

// held is one event that waits.
type held struct {
	key, boot uint64
	since     time.Time
	raw       []byte
}

// NewHoldBack makes a hold-back for events of a layout that [HasOwners]. members
// are processes whose events are wanted whoever the owner is, nil for none.
func NewHoldBack(l *event.Layout, owners Owners, members Members) *HoldBack {
	return &HoldBack{owners: owners, members: members, layout: l, waiting: map[uint64]int{}, now: time.Now}
}

// Look says what to do with an event: emit it with that container, drop it, or
// nothing, because the hold-back has taken a copy of it.
func (h *HoldBack) Look(raw []byte) (*event.Container, container.Verdict) {
	key := namespaceKey(h.layout, raw)
	var boot uint64
	if h.layout.Time != nil {
		boot = binary.NativeEndian.Uint64(raw[h.layout.Time.Offset:])
	}
	if len(h.queue) == 0 || h.waiting[key] == 0 {
		c, verdict := h.judge(key, boot, raw)
		if verdict != container.Wait {
			return c, verdict
		}
		if len(h.queue) == 0 {
			// The owners may have changed since they judged: make Due ask again.
			h.generation = h.owners.Generation() - 1
		}
	}
	h.queue = append(h.queue, held{key, boot, h.now(), append([]byte(nil), raw...)})
	h.bytes += len(raw)
	h.waiting[key]++
	return nil, container.Wait
}

// judge asks the owners, and the members for what the owners do not want.
func (h *HoldBack) judge(key, boot uint64, raw []byte) (*event.Container, container.Verdict) {
	c, verdict := h.owners.Judge(key, boot)
	if verdict == container.Drop && h.members != nil && chosen(h.members, h.layout, raw) {
		verdict = container.Emit
	}
	return c, verdict
}

// Empty is true when nothing waits.
func (h *HoldBack) Empty() bool { return len(h.queue) == 0 }

// Full is true when Release must be called with all.
func (h *HoldBack) Full() bool { return h.bytes > holdBytes }

// Due is true when Release may find something to emit.
func (h *HoldBack) Due() bool {
	return len(h.queue) > 0 &&
		(h.generation != h.owners.Generation() || h.now().Sub(h.queue[0].since) > holdTime)
}

// Release calls emit for the events that need not wait any more, in their order,
// and forgets those that nobody wants. With all, none stays: those whose
// container is still not known come with what there is. It returns how many
// nobody wanted, and the first error of emit, after which it emits no more.
func (h *HoldBack) Release(all bool, emit func(raw []byte, c *event.Container) error) (dropped uint64, err error) {
	h.generation = h.owners.Generation()
	kept := h.queue[:0]
	clear(h.waiting)
	h.bytes = 0
	for _, e := range h.queue {
		c, verdict := h.judge(e.key, e.boot, e.raw)
		patient := !all && h.now().Sub(e.since) <= holdTime
		switch {
		case h.waiting[e.key] > 0 || verdict == container.Wait && patient:
			kept = append(kept, e)
			h.waiting[e.key]++
			h.bytes += len(e.raw)
		case verdict == container.Drop:
			dropped++
		case err != nil:
		default:
			if verdict == container.Wait {
				c, _ = h.owners.Lookup(e.key, e.boot)
			}
			err = emit(e.raw, c)
		}
	}
	clear(h.queue[len(kept):])
	h.queue = kept
	return dropped, err
}

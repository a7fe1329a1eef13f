package pipe

import (
	"encoding/binary"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container"
)

// Owners knows whose a namespace is; a [container.Table] does.
type Owners interface {
	// Judge says what to do with an event of the namespace with that key and
	// CLOCK_BOOTTIME.
	Judge(key, boot uint64) (*event.Container, container.Verdict)
	// Lookup says what is known, for events that can wait no longer.
	Lookup(key, boot uint64) (*event.Container, container.State)
	// Generation changes when an answer may have changed.
	Generation() uint64
}

// Members knows which processes were chosen.
type Members interface {
	// Member says whether that is one, in the host's numbers.
	Member(pid uint32) bool
}

// chosen says whether nobody chose among processes, or somebody that of a record.
func chosen(m Members, l *event.Layout, raw []byte) bool {
	if m == nil {
		return true
	}
	var pid uint32
	if l.PID != nil {
		pid = binary.NativeEndian.Uint32(raw[l.PID.Offset:])
	}
	return m.Member(pid)
}

// HasOwners is true for a layout that says whose a record is.
func HasOwners(l *event.Layout) bool { return l.MntNS != nil || l.NetNS != nil }

// namespaceKey finds the key by which to look for the owner of a record: its mount
// namespace, or the network namespace of one that has none.
func namespaceKey(l *event.Layout, raw []byte) uint64 {
	if l.MntNS != nil {
		key := binary.NativeEndian.Uint64(raw[l.MntNS.Offset:])
		if key != 0 || l.NetNS == nil {
			return key
		}
	}
	return container.Network(binary.NativeEndian.Uint32(raw[l.NetNS.Offset:]))
}

// Patience is how long rows of a table wait for it to be found out whose they are.
const Patience = holdTime

// Await is Judge for who has the time to wait until that moment for the answer.
// Then what there is goes.
func Await(o Owners, key uint64, until time.Time) (*event.Container, container.Verdict) {
	for {
		c, verdict := o.Judge(key, 0)
		if verdict != container.Wait {
			return c, verdict
		}
		if time.Now().After(until) {
			c, _ = o.Lookup(key, 0)
			return c, container.Emit
		}
		time.Sleep(time.Millisecond)
	}
}

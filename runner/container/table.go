package container

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/gadget-bpf/gadget/internal/event"
)

// State is what is known of the owner of a namespace.
type State uint8

// States of a namespace.
const (
	// Unknown namespaces have never been seen, or are gone for too long.
	Unknown State = iota
	// Pending namespaces are new: whether they are a container, or which one, is
	// being found out.
	Pending
	// Host namespaces belong to no container.
	Host
	// Known namespaces belong to a container.
	Known
)

// String is the state's name in lower case.
func (s State) String() string {
	return [...]string{"unknown", "pending", "host", "known"}[s]
}

// Verdict says what becomes of a record.
type Verdict uint8

// Verdicts.
const (
	// Emit the record.
	Emit Verdict = iota
	// Wait with it: its owner is being found out, soon.
	Wait
	// Drop it: the user did not ask for its owner's events.
	Drop
)

// exitGrace is for how long after the end of its first process a namespace still
// has events: those of processes that are on their way out.
const exitGrace = 50e6

// Table knows the owners of mount and of network namespaces. Its methods may be
// called from any goroutine, do not block, and do not allocate unless they say so.
//
// The key of a mount namespace is its number, that of a network namespace is what
// [Network] makes of its number.
type Table struct {
	policy policy
	// owners by key of the namespace, the newest first.
	owners     atomic.Pointer[map[uint64][]owner]
	generation atomic.Uint64
	// announced counts the sightings of the tracker, in memory shared with the
	// kernel; learned counts those in owners. While they differ there may be a
	// namespace that the table does not know, maybe with a number that it does.
	announced *uint64
	learned   atomic.Uint64
	matches   atomic.Int64
}

// policy is what the user asked for.
type policy struct {
	selector Selector
	host     bool
	// besides is true when processes are chosen, too, whatever container they are
	// in: what is dropped here may still be wanted.
	besides bool
	// filtered is true when the kernel has the filter, so that what comes has
	// been chosen before.
	filtered bool
}

// owner is who has a namespace number from one time to another.
type owner struct {
	// after is when the predecessor's time ended, 0 for the first owner; end is
	// when its own did, 0 while it lives. CLOCK_BOOTTIME.
	after, end uint64
	container  *event.Container
	state      State
	verdict    Verdict
	// pids are processes in the namespace, as far as they are known.
	pids []uint32
	// generation tells mount namespaces apart that have had the number.
	generation uint64
}

func newTable(p policy) *Table {
	t := &Table{policy: p, announced: new(uint64)}
	t.owners.Store(&map[uint64][]owner{})
	return t
}

// Lookup returns the owner of a namespace at a CLOCK_BOOTTIME in nanoseconds; 0
// means now. The container is nil unless the state is Known, or Pending with an id
// that has no name yet. Of a network namespace that several containers share it is
// what they have in common: their pod, or nothing.
func (t *Table) Lookup(key, boot uint64) (*event.Container, State) {
	if o := t.find(key, boot); o != nil {
		return o.container, o.state
	}
	return nil, Unknown
}

// Judge is Lookup for a reader of events: it says what to do with a record of
// that namespace and time, and gives its container, if any.
func (t *Table) Judge(key, boot uint64) (*event.Container, Verdict) {
	// A number may just have got a new owner, of whom only the tracker knows.
	if atomic.LoadUint64(t.announced) != t.learned.Load() {
		return nil, Wait
	}
	if o := t.find(key, boot); o != nil {
		return o.container, o.verdict
	}
	// What passed the filter in the kernel is not dropped for want of a name.
	if t.policy.host || t.policy.filtered && !t.policy.besides {
		return nil, Emit
	}
	return nil, Drop
}

func (t *Table) find(key, boot uint64) *owner {
	owners := (*t.owners.Load())[key]
	for i := range owners {
		o := &owners[i]
		if boot != 0 && boot <= o.after {
			continue
		}
		if i == 0 && o.end != 0 && boot > o.end+exitGrace {
			return nil
		}
		return o
	}
	return nil
}

// Generation changes whenever the answers of Lookup and Judge may have changed.
func (t *Table) Generation() uint64 { return t.generation.Load() }

// Matches is the number of living containers that match the selector; all of
// them when there is none.
func (t *Table) Matches() int { return int(t.matches.Load()) }

// Containers returns the living containers that match the selector, sorted by
// name. It allocates.
func (t *Table) Containers() []*event.Container {
	type identity struct {
		runtime, id string
		pid         uint32
	}
	byID := map[identity]*event.Container{}
	for key, owners := range *t.owners.Load() {
		o := &owners[0]
		if _, network := networkOf(key); network || o.container == nil || o.end != 0 {
			continue
		}
		if t.policy.selector.Match(o.container) {
			byID[identity{o.container.Runtime, o.container.ID, o.container.PID}] = o.container
		}
	}
	return slices.SortedFunc(maps.Values(byID), func(a, b *event.Container) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
}

// publish replaces the owners of some namespaces; those without owners leave.
func (t *Table) publish(changed map[uint64][]owner, matches int) {
	next := maps.Clone(*t.owners.Load())
	for key, owners := range changed {
		if len(owners) == 0 {
			delete(next, key)
		} else {
			next[key] = owners
		}
	}
	t.owners.Store(&next)
	t.matches.Store(int64(matches))
	t.generation.Add(1)
}

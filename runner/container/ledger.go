package container

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// ms is a millisecond on the clocks of this file, which count nanoseconds.
const ms = 1_000_000

// retries says when, after a namespace was first seen, to look whose it is. Some
// runtimes (crun) move the first process to its cgroup only after it is in its
// namespaces. What is no container after hostAfter counts as the host's; the last
// two looks are for machines that are slower than that.
var retries = []uint64{0, 1 * ms, 5 * ms, 20 * ms, 50 * ms, hostAfter, 500 * ms, 2000 * ms}

const (
	hostAfter = 100 * ms
	// sweepEvery is how often all tasks are looked at: for ends of namespaces,
	// and for namespaces that the tracker cannot notice.
	sweepEvery = 1000 * ms
	// sweepSoon is when, after the end of a namespace's first process.
	sweepSoon = 20 * ms
)

// ledger knows the mount namespaces of this machine and whose they are. It
// belongs to one goroutine. All times are CLOCK_BOOTTIME in nanoseconds.
type ledger struct {
	policy policy
	ttl    uint64
	// wait is how long events may wait for a name.
	wait uint64
	view hostView
	// gate is the kernel's filter, nil without a tracker.
	gate *gate
	// ask requests the names of a container of a runtime from all who may know
	// them, and says who that is; answer comes later. Nil asks nobody.
	ask   func(ref engine.Ref, runtime string) []*engine.Source
	log   *slog.Logger
	table *Table

	// spaces by number, the newest first.
	spaces map[uint64][]*space
	// networks are the spaces by network namespace, in no order.
	networks map[uint32][]*space
	// tenants are the latest with their id.
	tenants map[key]*tenant
	// former are tenants of whose end nothing has been told, and whose id another
	// has by now.
	former []*tenant
	// changed are the keys of the table whose owners are to be published.
	changed   map[uint64]struct{}
	nextSweep uint64
}

// space is a mount namespace.
type space struct {
	seen sighting
	// from is its first moment, end its last, 0 while it lives; after is when
	// its predecessor with the same number had ended.
	from, end, after uint64
	// dying is when its first process ended, gone when its end was noticed.
	dying, gone uint64
	// tries is how many of the retries have been made.
	tries int
	// missed is how many sweeps in a row did not find it.
	missed int
	// host is true when it counts as the host's, tenant is the container if it
	// is one; neither while that is being found out.
	host   bool
	tenant *tenant
	// open is true when it is in the kernel's filter.
	open bool
}

func newLedger(p policy) *ledger {
	return &ledger{
		policy: p, table: newTable(p),
		log:    slog.New(slog.DiscardHandler),
		spaces: map[uint64][]*space{}, networks: map[uint32][]*space{},
		tenants: map[key]*tenant{}, changed: map[uint64]struct{}{},
	}
}

// report takes in a sighting of the tracker, which has let the namespace through
// the filter: of one that is new, or that it has forgotten.
func (l *ledger) report(s sighting, now uint64) {
	l.see(s, s.Boot, now)
	l.settle(l.spaces[s.MntNS][0])
}

// see takes in a namespace that is alive since that time.
func (l *ledger) see(s sighting, from, now uint64) {
	chain := l.spaces[s.MntNS]
	if len(chain) > 0 && chain[0].seen.same(&s) {
		l.seeAgain(chain[0], s, now)
		return
	}
	// A sweep may have been faster than the tracker's report of a predecessor
	// that was short-lived.
	at := 0
	for at < len(chain) && chain[at].seen.Boot > s.Boot {
		at++
	}
	sp := &space{seen: s, from: from}
	if at < len(chain) {
		l.succeed(sp, chain[at], now)
	}
	if at > 0 {
		successor := chain[at-1]
		sp.end, sp.gone = max(from, successor.from), now
		successor.after = sp.end
	}
	l.spaces[s.MntNS] = slices.Insert(slices.Clone(chain), at, sp)
	l.connect(sp)
	l.identify(sp, now)
	l.settle(sp)
}

// succeed makes a namespace the next to have the number of another.
func (l *ledger) succeed(sp, predecessor *space, now uint64) {
	if predecessor.end == 0 {
		if predecessor.dying == 0 {
			predecessor.dying = sp.from
		}
		l.end(predecessor, now)
	}
	// A sweep may have seen a later one first.
	predecessor.end = min(predecessor.end, sp.from)
	sp.follow(predecessor)
}

// follow notes when the predecessor of a namespace had ended.
func (sp *space) follow(predecessor *space) {
	// Late events of the one, early events of the other: neither has any in the
	// middle of the time between.
	sp.after = predecessor.end
	if sp.from > predecessor.end {
		sp.after += (sp.from - predecessor.end) / 2
	}
}

func (l *ledger) seeAgain(sp *space, s sighting, now uint64) {
	sp.missed = 0
	sp.seen.Generation = max(sp.seen.Generation, s.Generation)
	if sp.end != 0 {
		sp.end, sp.gone = 0, 0
		l.settle(sp)
	}
	switch {
	case sp.seen.PID == s.PID:
		l.move(sp, s.NetNS)
		if sp.dying != 0 { // On its way out, but not yet out.
			l.nextSweep = min(l.nextSweep, now+sweepSoon)
		}
	case sp.dying != 0: // Its first process has ended: this one can tell more.
		sp.dying = 0
		l.move(sp, s.NetNS)
		s.NetNS = sp.seen.NetNS
		sp.seen = s
	}
}

// die takes in the end of a namespace's first process.
func (l *ledger) die(s sighting, now uint64) {
	chain := l.spaces[s.MntNS]
	at := slices.IndexFunc(chain, func(sp *space) bool { return sp.seen.same(&s) })
	switch {
	case at == 0:
		chain[0].dying = s.Boot
		l.nextSweep = min(l.nextSweep, now+sweepSoon)
	case at > 0 && s.Boot < chain[at].end:
		// A sweep has found its successor before this was heard of.
		chain[at].end = s.Boot
		chain[at-1].follow(chain[at])
		l.settle(chain[at])
		l.settle(chain[at-1])
	}
}

// sweep takes in the list of all living namespaces, made since start.
func (l *ledger) sweep(all []sighting, start, now uint64) {
	l.nextSweep = now + sweepEvery
	// The oldest process first: the first of a container is the one to name.
	slices.SortStableFunc(all, func(a, b sighting) int { return cmp.Compare(a.Started, b.Started) })
	alive := make(map[uint64]struct{}, len(all))
	for _, s := range all {
		alive[s.MntNS] = struct{}{}
		l.see(s, s.Started, now)
	}
	for number, chain := range l.spaces {
		// Of those that had the number only the newest can be alive.
		if sp := chain[0]; sp.end == 0 && sp.from < start {
			if _, ok := alive[number]; !ok {
				l.miss(sp, now)
			}
		}
		l.purge(number, now)
	}
}

// miss takes note that a sweep has not found a namespace. One sweep may miss a
// process that has just been forked; two do not.
func (l *ledger) miss(sp *space, now uint64) {
	if sp.missed++; sp.missed < 2 {
		l.nextSweep = min(l.nextSweep, now+sweepSoon)
	} else {
		l.end(sp, now)
	}
}

// end notes that a namespace is no more.
func (l *ledger) end(sp *space, now uint64) {
	sp.gone = now
	sp.end = now
	if sp.dying != 0 {
		sp.end = sp.dying
	}
	if sp.tenant == nil {
		sp.host = true
	}
	l.settle(sp)
	if l.gate != nil {
		l.warn(l.gate.forget(sp.seen.MntNS, sp.seen.Generation))
	}
}

// purge forgets the owners of a number that have been gone for long enough.
func (l *ledger) purge(number, now uint64) {
	chain := l.spaces[number]
	n := len(chain)
	for n > 0 && chain[n-1].end != 0 && now-chain[n-1].gone > l.ttl {
		n--
		l.leave(chain[n])
		l.disconnect(chain[n])
	}
	if n == len(chain) {
		return
	}
	l.changed[number] = struct{}{}
	if n == 0 {
		delete(l.spaces, number)
	} else {
		l.spaces[number] = slices.Clone(chain[:n])
	}
}

// step does what is due and returns when it wants to be called again.
func (l *ledger) step(now uint64) uint64 {
	next := l.nextSweep
	for _, chain := range l.spaces {
		for _, sp := range chain {
			if due, ok := sp.due(); ok && due <= now {
				l.identify(sp, now)
				l.settle(sp)
			}
			if due, ok := sp.due(); ok {
				next = min(next, due)
			}
		}
	}
	for _, t := range l.tenants {
		if t.settled || l.policy.selector.needsName() {
			continue
		}
		if due := t.since + l.wait; due <= now {
			t.unknown(fmt.Sprintf("no answer within %s", time.Duration(l.wait)))
			l.settleTenant(t)
		} else {
			next = min(next, due)
		}
	}
	return next
}

// due says when to look again whose a namespace is.
func (sp *space) due() (uint64, bool) {
	if sp.tenant != nil || sp.end != 0 || sp.tries == len(retries) {
		return 0, false
	}
	return sp.from + retries[sp.tries], true
}

// identify looks whose a namespace is.
func (l *ledger) identify(sp *space, now uint64) {
	for sp.tries < len(retries) && sp.from+retries[sp.tries] <= now {
		sp.tries++
	}
	ended := sp.dying != 0 || sp.end != 0
	id, ok := l.view.identify(&sp.seen, ended)
	if ok {
		sp.host = false
		l.moveIn(sp, id, now)
	} else if sp.end != 0 || now >= sp.from+hostAfter {
		sp.host = true
	}
}

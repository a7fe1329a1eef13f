package container

import (
	"cmp"
	"log/slog"
	"slices"

	"github.com/gadget-bpf/gadget/internal/event"
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
	// ask requests the name of a container; answer comes later. Nil when there
	// is nobody to ask.
	ask   func(id string)
	log   *slog.Logger
	table *Table

	// spaces by number, the newest first.
	spaces map[uint64][]*space
	// tenants by container id, the latest with that id.
	tenants map[string]*tenant
	// changed are the numbers whose owners are to be published.
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

// tenant is a container; it may have several mount namespaces.
type tenant struct {
	container *event.Container
	spaces    []*space
	since     uint64
	// settled is true when its events need not wait any longer for its name.
	settled bool
}

func newLedger(p policy) *ledger {
	return &ledger{
		policy: p, table: newTable(p),
		log:    slog.New(slog.DiscardHandler),
		spaces: map[uint64][]*space{}, tenants: map[string]*tenant{},
		changed: map[uint64]struct{}{},
	}
}

// see takes in a namespace that is alive: from the tracker in its first moment,
// or from a sweep.
func (l *ledger) see(s sighting, from, now uint64) {
	chain := l.spaces[s.MntNS]
	if len(chain) > 0 {
		newest := chain[0]
		if newest.seen.Generation == s.Generation {
			l.seeAgain(newest, s, now)
			return
		}
		if newest.end == 0 {
			if newest.dying == 0 {
				newest.dying = from
			}
			l.end(newest, now)
		}
	}
	sp := &space{seen: s, from: from}
	if len(chain) > 0 {
		// Late events of the one, early events of the other: neither has any in
		// the middle of the time between.
		sp.after = chain[0].end + (max(from, chain[0].end)-chain[0].end)/2
	}
	l.spaces[s.MntNS] = append([]*space{sp}, chain...)
	l.identify(sp, now)
	l.settle(sp)
}

func (l *ledger) seeAgain(sp *space, s sighting, now uint64) {
	sp.missed = 0
	if sp.end != 0 {
		sp.end, sp.gone = 0, 0
		l.settle(sp)
	}
	switch {
	case sp.dying == 0:
	case sp.seen.PID == s.PID: // On its way out, but not yet out.
		l.nextSweep = min(l.nextSweep, now+sweepSoon)
	default: // Its first process has ended: this one can tell more.
		sp.dying = 0
		sp.seen = s
	}
}

// die takes in the end of a namespace's first process.
func (l *ledger) die(s sighting, now uint64) {
	chain := l.spaces[s.MntNS]
	if len(chain) == 0 || chain[0].seen.Generation != s.Generation {
		return
	}
	chain[0].dying = s.Boot
	l.nextSweep = min(l.nextSweep, now+sweepSoon)
}

// sweep takes in the list of all living namespaces, made since start.
func (l *ledger) sweep(all []sighting, start, now uint64) {
	l.nextSweep = now + sweepEvery
	// The oldest process first: the first of a container is the one to name.
	slices.SortStableFunc(all, func(a, b sighting) int { return cmp.Compare(a.Started, b.Started) })
	alive := make(map[uint64]uint64, len(all))
	for _, s := range all {
		alive[s.MntNS] = s.Generation
		l.see(s, s.Started, now)
	}
	for number, chain := range l.spaces {
		for _, sp := range chain {
			generation, ok := alive[number]
			if sp.end != 0 || sp.from >= start || ok && generation == sp.seen.Generation {
				continue
			}
			// One sweep may miss a process that has just been forked.
			if sp.missed++; sp.missed < 2 {
				l.nextSweep = min(l.nextSweep, now+sweepSoon)
				continue
			}
			l.end(sp, now)
		}
		l.purge(number, now)
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

// leave takes a namespace off its tenant, and the tenant away when it was the last.
func (l *ledger) leave(sp *space) {
	t := sp.tenant
	if t == nil {
		return
	}
	t.spaces = slices.DeleteFunc(t.spaces, func(other *space) bool { return other == sp })
	if id := t.container.ID; len(t.spaces) == 0 && l.tenants[id] == t {
		delete(l.tenants, id)
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
	id, ok := l.view.identify(&sp.seen, sp.dying != 0)
	if ok {
		sp.host = false
		l.moveIn(sp, id, now)
	} else if now >= sp.from+hostAfter {
		sp.host = true
	}
}

// moveIn makes a namespace part of a container.
func (l *ledger) moveIn(sp *space, id identity, now uint64) {
	t := l.tenants[id.id]
	if t == nil || t.over() {
		c := l.view.container(&sp.seen, id)
		if t != nil { // Started again: what it was called is still likely.
			c.Name, c.Image, c.Labels = t.container.Name, t.container.Image, t.container.Labels
			l.settleTenant(t)
		}
		t = &tenant{container: c, since: now}
		l.tenants[id.id] = t
		if l.ask != nil && (id.runtime == "docker" || id.runtime == "") {
			l.ask(id.id)
		} else {
			t.settled = true
		}
	}
	sp.tenant = t
	t.spaces = append(t.spaces, sp)
}

// over says that nothing of a container lives any more.
func (t *tenant) over() bool {
	for _, sp := range t.spaces {
		if sp.end == 0 && sp.dying == 0 {
			return false
		}
	}
	return true
}

func (t *tenant) alive() bool {
	return slices.ContainsFunc(t.spaces, func(sp *space) bool { return sp.end == 0 })
}

// answer takes in what docker says of the containers it was asked about. With an
// error it says nothing: events wait no longer, the names may come later.
func (l *ledger) answer(a answer) {
	for _, id := range a.ids {
		t := l.tenants[id]
		if t == nil {
			continue
		}
		if d, ok := a.found[id]; ok {
			t.container = d.apply(t.container)
		}
		l.settleTenant(t)
	}
}

func (l *ledger) settleTenant(t *tenant) {
	t.settled = true
	for _, sp := range t.spaces {
		l.settle(sp)
	}
}

// state is what is known of a namespace now.
func (sp *space) state() (State, *event.Container) {
	switch {
	case sp.tenant != nil && sp.tenant.settled:
		return Known, sp.tenant.container
	case sp.tenant != nil:
		return Pending, sp.tenant.container
	case sp.host:
		return Host, nil
	}
	return Pending, nil
}

func (l *ledger) verdict(state State, c *event.Container) Verdict {
	switch {
	case state == Pending:
		return Wait
	case state == Host && l.policy.host,
		state == Known && l.policy.selector.Match(c):
		return Emit
	}
	return Drop
}

// settle brings the filter and, with the next publication, the table up to what
// is known of a namespace.
func (l *ledger) settle(sp *space) {
	number := sp.seen.MntNS
	l.changed[number] = struct{}{}
	if !l.policy.filtered || l.gate == nil {
		return
	}
	want := sp.end == 0 && l.verdict(sp.state()) != Drop
	// A successor with the same number decides now.
	newest := l.spaces[number][0] == sp
	switch {
	case want && !sp.open && newest:
		l.warn(l.gate.open(number))
	case !want && newest:
		l.warn(l.gate.close(number, sp.seen.Generation))
	}
	sp.open = want
}

func (l *ledger) warn(err error) {
	if err != nil {
		l.log.Warn("container filter", "error", err)
	}
}

// publish shows the table's readers what has changed. It says whether anything has.
func (l *ledger) publish() bool {
	if len(l.changed) == 0 {
		return false
	}
	changed := make(map[uint64][]owner, len(l.changed))
	for number := range l.changed {
		owners := make([]owner, 0, len(l.spaces[number]))
		for _, sp := range l.spaces[number] {
			state, c := sp.state()
			owners = append(owners, owner{
				after: sp.after, end: sp.end, container: c,
				state: state, verdict: l.verdict(state, c),
			})
		}
		changed[number] = owners
	}
	clear(l.changed)
	matches := 0
	for _, t := range l.tenants {
		if t.alive() && t.settled && l.policy.selector.Match(t.container) {
			matches++
		}
	}
	l.table.publish(changed, matches)
	return true
}

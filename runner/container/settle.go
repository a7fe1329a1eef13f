package container

import "github.com/gadget-bpf/gadget/internal/event"

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
	l.changed[Network(sp.seen.NetNS)] = struct{}{}
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

// undecided says whether there is a namespace from before that time of which it is
// still being found out whose it is.
func (l *ledger) undecided(before uint64) bool {
	for _, chain := range l.spaces {
		for _, sp := range chain {
			if state, _ := sp.state(); state == Pending && sp.from <= before {
				return true
			}
		}
	}
	return false
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
	for key := range l.changed {
		if number, ok := networkOf(key); ok {
			changed[key] = l.networkOwners(number)
		} else {
			changed[key] = l.owners(key)
		}
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

// owners lists who has had the number of a mount namespace, the newest first.
func (l *ledger) owners(number uint64) []owner {
	owners := make([]owner, 0, len(l.spaces[number]))
	for _, sp := range l.spaces[number] {
		state, c := sp.state()
		owners = append(owners, owner{
			after: sp.after, end: sp.end, container: c,
			state: state, verdict: l.verdict(state, c),
			pids: []uint32{sp.seen.PID}, generation: sp.seen.Generation,
		})
	}
	return owners
}

package container

import (
	"slices"

	"github.com/gadget-bpf/gadget/internal/event"
)

// tenant is a container; it may have several mount namespaces.
type tenant struct {
	container *event.Container
	spaces    []*space
	since     uint64
	// settled is true when its events need not wait any longer for its name.
	settled bool
	// told is the last kind of event that has been told of it, 0 for none.
	told EventKind
}

// moveIn makes a namespace part of a container.
func (l *ledger) moveIn(sp *space, id identity, now uint64) {
	t := l.tenants[id.id]
	if t == nil || t.over() {
		c := l.view.container(&sp.seen, id)
		if t != nil { // Started again: what it was called is still likely.
			c.Name, c.Image, c.Labels = t.container.Name, t.container.Image, t.container.Labels
			l.settleTenant(t)
			l.former = append(l.former, t)
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

package container

import "github.com/gadget-bpf/gadget/internal/event"

// EventKind says what has happened to a container.
type EventKind uint8

// Kinds of events, in the order in which a container has them.
const (
	// Precreated containers run, and their names are not known yet. Those that have
	// their names at once, and those that exist when the watcher starts, begin with
	// Created.
	Precreated EventKind = iota + 1
	Created
	Deleted
)

// String is the kind's name in the peer's words (compat-spec §5.8).
func (k EventKind) String() string {
	return [...]string{"", "PRECREATE", "CREATED", "DELETED"}[k]
}

// Event tells of a container that matches the selector.
type Event struct {
	Kind      EventKind
	Container *event.Container
}

// news tells what has happened to containers since it was called last. Whatever
// ends has been created before, also when both happened meanwhile. When quiet is
// true what has no name yet exists already, and is told of only when it has one.
func (l *ledger) news(tell func(Event), quiet bool) {
	for _, t := range l.former {
		l.tellOf(t, tell, quiet)
	}
	l.former = nil
	for _, t := range l.tenants {
		l.tellOf(t, tell, quiet)
	}
}

func (l *ledger) tellOf(t *tenant, tell func(Event), quiet bool) {
	if !l.policy.selector.Match(t.container) {
		return
	}
	say := func(kind EventKind) {
		if t.told < kind {
			t.told = kind
			tell(Event{kind, t.container})
		}
	}
	alive := t.alive()
	switch {
	case t.settled:
		say(Created)
	case quiet:
		t.told = Precreated
	case alive:
		say(Precreated)
	}
	if !alive && t.told == Created {
		say(Deleted)
	}
}

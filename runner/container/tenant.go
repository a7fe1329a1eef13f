package container

import (
	"cmp"
	"maps"
	"slices"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// tenant is a container; it may have several mount namespaces.
type tenant struct {
	key       key
	container *event.Container
	spaces    []*space
	since     uint64
	// settled is true when its events need not wait any longer for its name.
	settled bool
	// open are those who have been asked about it and have not answered.
	open map[*engine.Source]struct{}
	// told is the last kind of event that has been told of it, 0 for none.
	told EventKind
}

// moveIn makes a namespace part of a container.
func (l *ledger) moveIn(sp *space, id identity, now uint64) {
	ref := id.ref()
	t := l.tenants[keyOf(ref)]
	if t == nil || t.over() {
		c := l.view.container(&sp.seen, id)
		if t != nil { // Started again: what it was called is still likely.
			c.Name, c.Image, c.Labels = t.container.Name, t.container.Image, t.container.Labels
			l.settleTenant(t)
			l.former = append(l.former, t)
		}
		t = &tenant{key: keyOf(ref), container: c, since: now, open: map[*engine.Source]struct{}{}}
		l.tenants[t.key] = t
		l.inquire(t, ref, id.runtime)
	}
	sp.tenant = t
	t.spaces = append(t.spaces, sp)
}

// inquire asks all who may know a container.
func (l *ledger) inquire(t *tenant, ref engine.Ref, runtime string) {
	switch runtime {
	case "runc", "crun", "youki": // The id is the name that the user gave.
		t.container.Status, t.settled = statusKnown, true
		return
	}
	if l.ask != nil {
		for _, source := range l.ask(ref, runtime) {
			t.open[source] = struct{}{}
		}
	}
	if len(t.open) == 0 {
		t.unknown(cmp.Or(runtime, "runtime") + " is not here to be asked")
		t.settled = true
	}
}

// inquiring says whether somebody who was asked has not answered yet.
func (l *ledger) inquiring() bool {
	for _, t := range l.tenants {
		if len(t.open) > 0 {
			return true
		}
	}
	return false
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

// answer takes in what an engine says of the containers it was asked about. Events
// wait no longer once one has told, or nobody is left who might. After an error the
// names may still come later.
func (l *ledger) answer(a answer) {
	for _, ref := range a.refs {
		t := l.tenants[keyOf(ref)]
		if t == nil {
			continue
		}
		delete(t.open, a.source)
		info, found := a.found[ref]
		switch {
		case found:
			t.container = named(t.container, &info, a.source)
		case a.err != nil:
			t.unknown(a.err.Error())
		default:
			t.unknown("no runtime knows it")
		}
		// Labels may be with another engine than the name.
		enough := found && len(l.policy.selector.Labels) == 0
		t.settled = t.settled || enough || len(t.open) == 0
		t.changed(l)
	}
}

// statusKnown is the status of a container that a runtime has named.
const statusKnown = "known"

// unknown notes why a container has no names, unless it has.
func (t *tenant) unknown(why string) {
	if t.container.Status == statusKnown {
		return
	}
	c := *t.container
	c.Status = "unknown:" + why
	t.container = &c
}

// named returns a copy of a container with what an engine says of it.
func named(c *event.Container, i *engine.Info, source *engine.Source) *event.Container {
	n := *c
	for _, text := range []struct {
		into *string
		said string
	}{
		{&n.Runtime, i.Runtime}, {&n.Name, i.Name}, {&n.Image, i.Image}, {&n.ImageDigest, i.ImageDigest},
		{&n.Namespace, i.Namespace}, {&n.Pod, i.Pod}, {&n.PodUID, i.PodUID}, {&n.PodContainer, i.PodContainer},
		{&n.PodLabels, engine.LabelText(i.PodLabels)}, {&n.LabelText, engine.LabelText(i.Labels)},
	} {
		*text.into = cmp.Or(text.said, *text.into)
	}
	if labels := joined(i.PodLabels, i.Labels); labels != nil {
		n.Labels = labels
	}
	n.Status, n.Source = statusKnown, source.Runtime+" at "+source.Address
	if source.Address == engine.Files {
		n.Source = source.Runtime + "'s files"
	}
	return &n
}

// joined are the labels of a pod and, before them, those of a container in it.
func joined(pod, own map[string]string) map[string]string {
	if len(pod) == 0 {
		return own
	}
	all := maps.Clone(pod)
	maps.Copy(all, own)
	return all
}

func (l *ledger) settleTenant(t *tenant) {
	t.settled = true
	t.changed(l)
}

// changed brings what depends on a container up to what is known of it.
func (t *tenant) changed(l *ledger) {
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
	if len(t.spaces) == 0 && l.tenants[t.key] == t {
		delete(l.tenants, t.key)
	}
}

package container

import (
	"cmp"
	"slices"

	"github.com/gadget-bpf/gadget/internal/event"
)

// networkKey marks the keys of network namespaces. The numbers of namespaces have
// 32 bits (struct ns_common, include/linux/ns_common.h).
const networkKey = 1 << 32

// Network is the key of a network namespace in a [Table].
func Network(number uint32) uint64 { return networkKey | uint64(number) }

// networkOf is the inverse of Network.
func networkOf(key uint64) (number uint32, ok bool) {
	return uint32(key), key&networkKey != 0
}

// NetworkNamespace is one in which something lives.
type NetworkNamespace struct {
	Number uint32
	// PIDs are processes in it. Each may have ended meanwhile, and another one
	// may have its number.
	PIDs []uint32
}

// Networks returns the network namespaces, sorted by number, in which containers
// that match live, or something of which that is not known yet; with the host also
// the host's own and those of its processes. It allocates.
func (t *Table) Networks() []NetworkNamespace {
	var list []NetworkNamespace
	for key, owners := range *t.owners.Load() {
		number, ok := networkOf(key)
		if o := &owners[0]; ok && o.end == 0 && o.verdict != Drop {
			list = append(list, NetworkNamespace{Number: number, PIDs: o.pids})
		}
	}
	slices.SortFunc(list, func(a, b NetworkNamespace) int { return cmp.Compare(a.Number, b.Number) })
	return list
}

// connect notes in which network namespace the processes of a mount namespace are.
func (l *ledger) connect(sp *space) {
	if number := sp.seen.NetNS; number != 0 {
		l.networks[number] = append(l.networks[number], sp)
	}
}

// disconnect undoes connect.
func (l *ledger) disconnect(sp *space) {
	number := sp.seen.NetNS
	l.changed[Network(number)] = struct{}{}
	rest := slices.DeleteFunc(l.networks[number], func(other *space) bool { return other == sp })
	if len(rest) == 0 {
		delete(l.networks, number)
	} else {
		l.networks[number] = rest
	}
}

// move notes that a process has been seen in another network namespace than
// before: some runtimes (crun) let it join that of its pod when it has its mounts
// already. 0 is an unknown one.
func (l *ledger) move(sp *space, number uint32) {
	if number == 0 || number == sp.seen.NetNS {
		return
	}
	l.disconnect(sp)
	sp.seen.NetNS = number
	l.connect(sp)
	l.settle(sp)
	if t := sp.tenant; t != nil && t.container.MntNS == sp.seen.MntNS {
		moved := *t.container
		l.view.locate(&moved, number)
		t.container = &moved
		for _, other := range t.spaces {
			l.settle(other)
		}
	}
}

// stay is the time that somebody spends in a network namespace.
type stay struct {
	state     State
	container *event.Container
	// from and end as those of a space.
	from, end uint64
}

// present says whether somebody is there at a time.
func (s *stay) present(at uint64) bool { return s.from <= at && (s.end == 0 || s.end > at) }

// networkOwners lists who has had the number of a network namespace, the newest
// first. One entry is for a time in which nobody came and nobody went.
func (l *ledger) networkOwners(number uint32) []owner {
	spaces := l.networks[number]
	stays := l.stays(spaces)
	if len(stays) == 0 {
		return nil
	}
	if number == l.view.netns {
		return []owner{{state: Host, verdict: l.hostVerdict(stays), pids: pids(spaces)}}
	}
	var times []uint64
	for i := range stays {
		times = append(times, stays[i].from)
		if stays[i].end != 0 {
			times = append(times, stays[i].end)
		}
	}
	slices.Sort(times)
	times = slices.Compact(times)

	var owners []owner // the oldest first
	var until uint64   // when the last of them had ended
	for i, at := range times {
		o, used := l.share(stays, at)
		if !used {
			continue
		}
		if len(owners) > 0 {
			o.after = until + (at-until)/2
		}
		until = 0
		if i+1 < len(times) {
			until = times[i+1]
		}
		o.end = until
		owners = append(owners, o)
	}
	slices.Reverse(owners)
	owners[0].pids = pids(spaces)
	return owners
}

// stays says who is, or was, in a network namespace, and when.
func (l *ledger) stays(spaces []*space) []stay {
	var list []stay
	for _, sp := range spaces {
		state, c := sp.state()
		at := slices.IndexFunc(list, func(s stay) bool { return s.state == state && s.container == c })
		if at < 0 {
			list = append(list, stay{state: state, container: c, from: sp.from, end: sp.end})
			continue
		}
		s := &list[at]
		s.from = min(s.from, sp.from)
		if s.end != 0 && (sp.end == 0 || sp.end > s.end) {
			s.end = sp.end
		}
	}
	return list
}

// hostVerdict is what becomes of the events of the host's network namespace, which
// get nobody's name, whatever containers use it.
func (l *ledger) hostVerdict(stays []stay) Verdict {
	if l.policy.host {
		return Emit
	}
	verdict := Drop
	for i := range stays {
		if s := &stays[i]; s.end == 0 {
			switch l.verdict(s.state, s.container) {
			case Emit:
				return Emit
			case Wait:
				verdict = Wait
			}
		}
	}
	return verdict
}

// share is the owner of a network namespace at a time: the container in it; the pod
// of several; nobody when they have nothing in common. It is false when there is
// nobody at that time.
func (l *ledger) share(stays []stay, at uint64) (o owner, used bool) {
	o = owner{state: Host, verdict: Drop}
	shared := false
	for i := range stays {
		s := &stays[i]
		if !s.present(at) {
			continue
		}
		used = true
		o.verdict = keener(o.verdict, l.verdict(s.state, s.container))
		if s.state == Pending || o.state == Host {
			o.state = s.state
		}
		switch {
		case s.container == nil:
		case !shared:
			o.container, shared = s.container, true
		default:
			o.container = commonPod(o.container, s.container)
		}
	}
	return o, used
}

// keener is what to do with the events of somebody of whom one says a, another b:
// wait as long as one may turn out to be wanted, or change the name of the whole.
func keener(a, b Verdict) Verdict {
	switch {
	case a == Wait || b == Wait:
		return Wait
	case a == Emit || b == Emit:
		return Emit
	}
	return Drop
}

// commonPod is what two containers have in common, nil for nothing.
func commonPod(a, b *event.Container) *event.Container {
	if a == nil || a.Pod == "" || a.Pod != b.Pod || a.Namespace != b.Namespace {
		return nil
	}
	return &event.Container{
		Node: a.Node, Namespace: a.Namespace, Pod: a.Pod, PodLabels: a.PodLabels,
		OwnerKind: a.OwnerKind, OwnerName: a.OwnerName,
	}
}

// pids are the first processes of mount namespaces that live.
func pids(spaces []*space) []uint32 {
	var list []uint32
	for _, sp := range spaces {
		if sp.end == 0 {
			list = append(list, sp.seen.PID)
		}
	}
	return list
}

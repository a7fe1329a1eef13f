package container

import "github.com/gadget-bpf/gadget/internal/event"

// Space is a living mount namespace.
type Space struct {
	// MntNS is its number; Generation tells it from others that had the number,
	// where the kernel says.
	MntNS, Generation uint64
	// PID of a process that has been in it, and may be gone.
	PID uint32
	// Container that it belongs to, nil for the host's.
	Container *event.Container
}

// Spaces returns the living mount namespaces whose events are wanted, as far as is
// known: settled is false while it is being found out whose some are. It allocates.
func (t *Table) Spaces() (spaces []Space, settled bool) {
	settled = true
	for key, owners := range *t.owners.Load() {
		o := &owners[0]
		if _, network := networkOf(key); network || o.end != 0 || o.verdict == Drop && !(t.policy.besides && o.state == Host) {
			continue
		}
		if o.verdict == Wait {
			settled = false
			if !t.maybeWanted(o) {
				continue
			}
		}
		spaces = append(spaces, Space{MntNS: key, Generation: o.generation, PID: o.pids[0], Container: o.container})
	}
	return spaces, settled
}

// maybeWanted says whether a pending owner counts as wanted already.
func (t *Table) maybeWanted(o *owner) bool {
	if o.container == nil {
		return (t.policy.host || t.policy.besides) && t.policy.selector.Empty()
	}
	return t.policy.selector.Match(o.container)
}

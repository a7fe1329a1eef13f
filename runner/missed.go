package runner

import (
	"cmp"
	"slices"
)

// Missed is a program that the kernel skipped, because it was running on that CPU
// already: it had been preempted there, or its own work had come to its hook again.
type Missed struct {
	Program, Section string
	// Times is how often, as the kernel counts it (bpf_prog_info.recursion_misses,
	// include/uapi/linux/bpf.h, since Linux 5.12).
	Times uint64
}

// missed reads which programs were skipped, the most often skipped first.
func (r *run) missed() []Missed {
	if r.loaded == nil {
		return nil
	}
	var all []Missed
	for i := range r.plan.Programs {
		prog := &r.plan.Programs[i]
		loaded := r.loaded.coll.Programs[prog.Name]
		if loaded == nil {
			continue
		}
		// A kernel that does not say so has nothing to add to the losses.
		if stats, err := loaded.Stats(); err == nil && stats.RecursionMisses > 0 {
			all = append(all, Missed{Program: prog.Name, Section: prog.Section, Times: stats.RecursionMisses})
		}
	}
	slices.SortStableFunc(all, func(a, b Missed) int { return cmp.Compare(b.Times, a.Times) })
	return all
}

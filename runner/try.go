package runner

import (
	"context"

	"github.com/cilium/ebpf"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// Try loads and attaches the gadget as [Run] does, takes it away at once, and says
// what became of each program. Nothing of it stays, not even pinned maps. With an
// error the gadget does not run on this kernel; the uses are those that are known
// by then.
func Try(p *plan.Plan, o Options) ([]Use, error) {
	trial := *p
	if p.Spec != nil {
		trial.Spec = p.Spec.Copy()
		for _, m := range trial.Spec.Maps {
			m.Pinning = ebpf.PinNone
		}
	}
	r := newRun(&trial, o)
	defer r.close()
	err := r.survey()
	if err == nil {
		err = r.activateAll(context.Background())
	}
	if r.choice == nil {
		return nil, err
	}
	uses := r.choice.report()
	for i := range uses {
		if u := &uses[i]; err != nil && u.Used {
			u.Used, u.Why = false, "the gadget does not run on this kernel"
		}
	}
	return uses, err
}

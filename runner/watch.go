package runner

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/host"
	"github.com/gadget-bpf/gadget/runner/pipe"
)

// watchContainers begins to watch containers when the gadget has to do with them.
func (r *run) watchContainers(ctx context.Context) (err error) {
	if !usesContainers(r.plan) {
		return nil
	}
	o := container.Options{
		Selector:   r.opts.Selector,
		Host:       r.opts.Host,
		Besides:    r.choosing(),
		Engines:    r.opts.Engines,
		EnrichWait: r.opts.EnrichWait,
		Types:      r.kernel.cache,
		GivenTypes: r.kernel.given,
		Notice:     r.notice,
		Log:        r.log,
		Changed:    r.containersChanged,
	}
	if hasContainers(r.plan) {
		r.feed = newContainerFeed()
		o.Event = r.feed.push
	}
	if r.choosing() && o.Selector.Empty() {
		o.Selector.None = true
	}
	if r.filtersContainers(&o) {
		if r.filterMap, err = container.NewFilterMap(); err != nil {
			return err
		}
		o.FilterMap = r.filterMap
	}
	r.watcher, err = container.Start(ctx, o)
	switch {
	case err == nil:
		r.nameAddresses(ctx)
	case r.plan.Spec == nil:
		return r.goWithout(err)
	case r.kernel.given != nil && o.Everything():
		// An image of others has the types for its own programs only.
		r.log.Info("containers are not known", "error", err)
		r.notice("containers are not known: the types given for this kernel lack some that are needed to watch them")
		return nil
	}
	return err
}

// nameAddresses lets the endpoints of events say who they are.
func (r *run) nameAddresses(ctx context.Context) {
	if r.opts.NoNames || !r.plan.HasPeers() {
		return
	}
	addresses := r.watcher.Addresses()
	r.env.Peers = addresses.Lookup
	ctx, r.forget = context.WithCancel(context.WithoutCancel(ctx))
	go addresses.Run(ctx)
}

// goWithout decides whether a gadget without programs can do without knowing
// containers: watching them takes more than it would need itself.
func (r *run) goWithout(err error) error {
	if !r.opts.Selector.Empty() || hasContainers(r.plan) {
		if effective, capErr := host.OwnCapabilities(); capErr == nil {
			err = cmp.Or(checkLoad(effective), err)
		}
		return fmt.Errorf("watch containers: %w", err)
	}
	r.log.Info("containers are not known", "error", err)
	r.notice("containers are not known without root, or CAP_BPF and CAP_PERFMON: their names are missing, and what is not theirs is shown, too")
	return nil
}

// usesContainers reports whether anything of the gadget depends on containers.
func usesContainers(p *plan.Plan) bool {
	if p.FiltersContainers || hasContainers(p) || p.HasPeers() {
		return true
	}
	for _, s := range p.Sources {
		if pipe.HasOwners(s.Layout) {
			return true
		}
		for _, name := range s.Programs {
			if perNetwork(p.Program(name)) {
				return true
			}
		}
	}
	return slices.ContainsFunc(p.Programs, func(prog plan.Program) bool { return plan.IsUser(prog.Kind) })
}

// containersChanged passes on that the table of containers has changed.
func (r *run) containersChanged() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// hasContainers reports whether a data source of the gadget is about containers.
func hasContainers(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Sources, func(s *plan.Source) bool { return s.Kind == plan.Containers })
}

func (r *run) notice(text string) {
	if r.opts.Notice != nil {
		r.opts.Notice(text)
	}
}

package runner

import (
	"context"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/container"
)

// watchContainers begins to watch containers when the gadget has to do with them.
func (r *run) watchContainers(ctx context.Context) (err error) {
	if !usesContainers(r.plan) {
		return nil
	}
	o := container.Options{
		Selector:   r.opts.Selector,
		Host:       r.opts.Host,
		DockerHost: r.opts.DockerHost,
		Types:      r.types,
		Notice:     r.notice,
		Log:        r.log,
	}
	if r.plan.FiltersContainers && !o.Everything() {
		if r.filterMap, err = container.NewFilterMap(); err != nil {
			return err
		}
		o.FilterMap = r.filterMap
	}
	r.watcher, err = container.Start(ctx, o)
	return err
}

// usesContainers reports whether anything of the gadget depends on containers.
func usesContainers(p *plan.Plan) bool {
	if p.FiltersContainers {
		return true
	}
	for _, s := range p.Sources {
		if s.Layout.MntNS != nil {
			return true
		}
	}
	return false
}

func (r *run) notice(text string) {
	if r.opts.Notice != nil {
		r.opts.Notice(text)
	}
}

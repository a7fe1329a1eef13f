package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/pipe"
	"github.com/gadget-bpf/gadget/runner/process"
)

// filters are the maps by which the programs of a gadget choose what they send. Each
// replaces the gadget's own; nil leaves that filter off.
type filters struct {
	// namespaces are the mount namespaces of wanted containers, processes those
	// that are wanted besides.
	namespaces, processes *ebpf.Map
}

// filters of this run: what the gadget cannot do itself is done in user space.
func (r *run) filters() filters {
	return filters{namespaces: r.filterMap, processes: r.processFilter()}
}

// processFilter is the map of chosen processes, nil when the gadget has no such
// filter or everything is wanted.
func (r *run) processFilter() *ebpf.Map {
	if !r.choosing() || !r.plan.FiltersProcesses {
		return nil
	}
	return r.processes.Filter()
}

// filtersContainers says whether the gadget is to filter by mount namespace. Its
// filter knows no processes, that of processes asks it besides.
func (r *run) filtersContainers(o *container.Options) bool {
	if !r.plan.FiltersContainers || o.Everything() || o.Selector.None {
		return false
	}
	return !r.choosing() || r.processFilter() != nil
}

// install makes the programs use the maps, and switches their filters on. Programs
// that filter by process look at both maps at once.
func (f filters) install(spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error) {
	replaced := map[string]*ebpf.Map{}
	for _, m := range []struct {
		of             *ebpf.Map
		name, on, from string
		key            uint32
		switched       bool
	}{
		{f.namespaces, plan.FilterMap, plan.FilterSwitch, "gadget/mntns_filter.h", 8, f.processes == nil},
		{f.processes, plan.ProcessFilterMap, plan.ProcessFilterSwitch, "gadget/process_filter.h", 4, true},
	} {
		if m.of == nil {
			continue
		}
		own := spec.Maps[m.name]
		if own.Type != ebpf.Hash || own.KeySize != m.key || own.ValueSize != 4 {
			return nil, fmt.Errorf("map %s: want a hash from __u%d to __u32; use the one of %s", m.name, 8*m.key, m.from)
		}
		own.MaxEntries, own.Flags, own.Pinning = m.of.MaxEntries(), m.of.Flags(), ebpf.PinNone
		own.Key, own.Value = nil, nil
		replaced[m.name] = m.of
		on := spec.Variables[m.on]
		if on == nil || on.Size() != 1 {
			return nil, fmt.Errorf("variable %s: not in the object; use %s", m.on, m.from)
		}
		if !m.switched {
			continue
		}
		if err := on.Set(uint8(1)); err != nil {
			return nil, fmt.Errorf("variable %s: %w", m.on, err)
		}
	}
	return replaced, nil
}

// choosing says whether processes were chosen, so that not all are wanted.
func (r *run) choosing() bool { return !r.opts.Host && !r.opts.Processes.Empty() }

// watchProcesses begins to follow processes when the gadget has to do with them.
func (r *run) watchProcesses() (err error) {
	if !r.choosing() && !r.opts.Descendants && !(r.opts.Host && showsPlaces(r.plan)) {
		return nil
	}
	o := process.Options{
		Choice: r.opts.Processes, Types: r.kernel.cache, GivenTypes: r.kernel.given,
		Notice: r.notice, Log: r.log,
	}
	r.processes, err = process.Start(o)
	switch {
	case err == nil && r.choosing() && !r.plan.FiltersProcesses:
		r.log.Info("the gadget has no filter of processes: they are chosen in user space")
	case err != nil && (!r.choosing() || r.plan.Spec == nil && r.opts.Processes.Command == 0):
		r.log.Info("looking for units in /proc", "error", err)
		r.processes, err = process.Read(r.opts.Processes), nil
	}
	if err != nil && r.kernel.given != nil {
		err = fmt.Errorf("the types given for this kernel may lack some that are needed to follow processes: %w", err)
	}
	if err == nil {
		r.env.Place = r.processes.Place
	}
	return err
}

// showsPlaces says whether events of the gadget say where their process runs.
func showsPlaces(p *plan.Plan) bool {
	for _, s := range p.Sources {
		if s.Layout.PID != nil {
			return true
		}
	}
	return false
}

// members are the processes whose records of a data source are wanted besides those
// of wanted containers; nil when none were chosen.
func (r *run) members(s *plan.Source) (pipe.Members, error) {
	switch {
	case !r.choosing(), s.Kind == plan.Containers:
		return nil, nil
	case s.Layout.PID != nil:
		return r.processes, nil
	case r.processFilter() != nil:
		return everybody{}, nil
	}
	return nil, fmt.Errorf("data source %s: its events do not say which process they are of, and its programs cannot filter by process", s.Name)
}

// everybody is for records that have been chosen in the kernel, and do not say whose
// they are.
type everybody struct{}

// Member implements pipe.Members.
func (everybody) Member(uint32) bool { return true }

// lookForDescendants is how often it is looked whether some of a command's live.
const lookForDescendants = 20 * time.Millisecond

// awaitCommand ends the run when its command has ended.
func (r *run) awaitCommand(ctx context.Context, end func()) {
	defer end()
	select {
	case <-ctx.Done():
		return
	case <-r.opts.Ended:
	}
	for r.opts.Descendants && r.processes != nil && r.processes.Descendants() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookForDescendants):
		}
	}
}

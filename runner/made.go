package runner

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"

	"github.com/cilium/ebpf"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/usage"
)

// collector makes the rows of a data source without a program. What it tells of
// the time since the last table, it tells from the moment it was made.
type collector interface {
	Fetch(dst []byte) ([]byte, error)
	Close() error
}

// openCollector makes the collector of a data source that is Made.
func (r *run) openCollector(s *plan.Source) (collector, error) {
	switch s.Kind {
	case plan.Processes:
		missing := func(field string) bool { return s.Layout.Field(field) == nil }
		return usage.NewProcesses(usage.ProcessOptions{
			NoShared: missing("memoryShared"), NoOwner: missing("uid"), NoMntNS: missing("mountnsid"),
		})
	case plan.Cgroups:
		c, err := usage.NewCgroups(usage.CgroupOptions{})
		if errors.Is(err, usage.ErrNoController) {
			err = &HostError{Need: "cgroups that limit processor time", Err: err,
				Hint: "mount cgroup2, or the cpu controller of cgroup v1; systemd does"}
		}
		return c, err
	case plan.ProgramStats:
		c, err := usage.NewPrograms(usage.ProgramOptions{GadgetsOnly: r.enabled(plan.GadgetsOnly), ImageOf: r.opts.ImageOf})
		if errors.Is(err, ebpf.ErrNotSupported) {
			err = &HostError{Need: "statistics of eBPF programs", Err: err, Hint: "they exist since Linux 5.8"}
		}
		return c, err
	}
	return nil, fmt.Errorf("%w: data source %s", ErrNotSupported, s.Name)
}

// enabled is the value of a parameter that is true or false.
func (r *run) enabled(key string) bool {
	for i := range r.plan.Params {
		if p := &r.plan.Params[i]; p.Key == key {
			on, _ := strconv.ParseBool(cmp.Or(r.opts.Params[key], p.Default))
			return on
		}
	}
	return false
}

package runner

import (
	"cmp"
	"fmt"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/pipe"
	"github.com/gadget-bpf/gadget/runner/usage"
)

// collector makes the rows of a data source without a program. What it tells of
// the time since the last table, it tells from the moment it was made.
type collector interface {
	Fetch(dst []byte) ([]byte, error)
	Close() error
}

// openCollector makes the collector of a data source that is Made.
func openCollector(s *plan.Source) (collector, error) {
	switch s.Kind {
	case plan.Processes:
		return openProcesses(s.Layout)
	}
	return nil, fmt.Errorf("%w: data source %s", ErrNotSupported, s.Name)
}

func openProcesses(l *event.Layout) (collector, error) {
	missing := func(field string) bool { return l.Field(field) == nil }
	c, err := usage.NewProcesses(usage.ProcessOptions{
		NoShared: missing("memoryShared"), NoOwner: missing("uid"), NoMntNS: missing("mountnsid"),
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// madeSchedule is when the tables of a Made data source come: the first soon,
// so that nobody has to wait for a long interval.
func madeSchedule(s *plan.Source, o Options) pipe.Schedule {
	interval := cmp.Or(o.Interval, s.Interval)
	return pipe.Schedule{First: min(s.First, interval), Interval: interval, Count: cmp.Or(o.Count, s.Count)}
}

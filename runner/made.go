package runner

import (
	"fmt"

	"github.com/gadget-bpf/gadget/internal/event"
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

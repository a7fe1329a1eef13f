package container

import (
	"context"
	"fmt"

	"github.com/gadget-bpf/gadget/internal/event"
)

// List returns the containers that match the selector, sorted by name, as /proc
// and the runtimes show them now. It needs no eBPF; without root it finds those whose
// namespaces the user may see. The options for a stay are ignored.
func List(ctx context.Context, o Options) ([]*event.Container, error) {
	o.FilterMap = nil
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	w := newWatcher(asking, o)
	l := w.ledger
	now := bootTime()
	all, err := l.view.scan()
	if err != nil {
		return nil, err
	}
	l.sweep(all, now, now)
	for l.inquiring() {
		select {
		case a := <-w.askers.answers:
			w.hear(a)
		case <-ctx.Done():
			return nil, fmt.Errorf("list containers: %w", ctx.Err())
		}
	}
	l.publish()
	return l.table.Containers(), nil
}

package container

import (
	"context"
	"fmt"

	"github.com/gadget-bpf/gadget/internal/event"
)

// List returns the containers that match the selector, sorted by name, as /proc
// and docker show them now. It needs no eBPF; without root it finds those whose
// namespaces the user may see. The options for a stay are ignored.
func List(ctx context.Context, o Options) ([]*event.Container, error) {
	o.FilterMap = nil
	w := newWatcher(o)
	l := w.ledger
	var ids []string
	if l.ask != nil {
		l.ask = func(id string) { ids = append(ids, id) }
	}
	now := bootTime()
	all, err := l.view.scan()
	if err != nil {
		return nil, err
	}
	l.sweep(all, now, now)
	if len(ids) > 0 {
		a := answer{ids: ids}
		a.found, a.err = w.asker.docker.lookup(ctx, ids)
		w.hear(a)
	}
	l.publish()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	return l.table.Containers(), nil
}

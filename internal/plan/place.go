package plan

import "github.com/gadget-bpf/gadget/internal/event"

// placeOrder puts the columns behind those of containers.
const placeOrder = -20

// place adds where on the host the process of an event runs. A field host of the
// author's would not be in JSON beside an object of that name, so it stays alone.
func (b *layoutBuilder) place() {
	if b.pid < 0 || b.seen["host"] {
		return
	}
	pid := b.layout.Fields[b.pid]
	at := event.Field{Offset: pid.Offset, Size: pid.Size, Hidden: true, Order: placeOrder}
	unit, cgroup := at, at
	unit.Name, unit.Kind = "host.unit", event.Unit
	cgroup.Name, cgroup.Kind = "host.cgroup", event.Cgroup
	b.put(unit, nil)
	b.put(cgroup, nil)
}

package container

import (
	"context"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
)

const (
	// addressesFirst is how long after a look at the addresses of a network
	// namespace the next one is due; the time between looks doubles up to
	// addressesLast, and begins anew when somebody asks for an unknown address.
	addressesFirst = 100 * time.Millisecond
	addressesLast  = 30 * time.Second
	// addressesKept is for how long the address of something that is gone keeps its
	// name, unless somebody else gets it: events of it may be on their way.
	addressesKept = 2 * time.Second
	// maxAddresses of one network namespace.
	maxAddresses = 4096
)

// Addresses know who on this machine has an IP address: a container, a pod, or the
// machine itself. Lookup may be called from any goroutine.
type Addresses struct {
	table *Table
	view  *hostView
	// host is what the addresses of this machine belong to.
	host *event.Container
	// book has the network namespaces of addresses, 0 where there are several.
	book atomic.Pointer[map[place]uint32]
	// asked has an element when somebody has asked for an unknown address.
	asked chan struct{}

	mu       sync.Mutex // for what follows
	networks map[uint32]*network
}

// place is an address as seen from a network namespace; with number 0 as seen from
// all those that do not have it themselves.
type place struct {
	number uint32
	addr   netip.Addr
}

// network is a network namespace with its addresses.
type network struct {
	addrs []netip.Addr
	// next is when to look at the addresses again, wait the time between looks.
	next time.Time
	wait time.Duration
	// ended is zero while something lives there.
	ended time.Time
}

// Addresses begin to know addresses; Run keeps them current.
func (w *Watcher) Addresses() *Addresses {
	name, err := os.Hostname()
	if err != nil {
		name = "host"
	}
	a := &Addresses{
		table: w.Table(), view: &w.ledger.view, host: &event.Container{Node: name, HostNetwork: true},
		asked: make(chan struct{}, 1), networks: map[uint32]*network{},
	}
	a.refresh(time.Now())
	return a
}

// Lookup returns who has an address as seen from a network namespace, 0 for the
// host's: a container, or what is common to those that share the address, nil when
// nobody is known. For this machine it is a Container with nothing but Node. It does
// not allocate, but for the first address of a new network namespace.
func (a *Addresses) Lookup(netns uint32, addr netip.Addr) *event.Container {
	if netns == 0 {
		netns = a.view.netns
	}
	addr = addr.WithZone("")
	number, known := a.find(netns, addr)
	if !known && a.meet(netns) {
		number, known = a.find(netns, addr)
	}
	switch {
	case !known:
	case number == a.view.netns:
		return a.host
	default:
		c, _ := a.table.Lookup(Network(number), 0)
		return c
	}
	if addr.IsPrivate() || addr.IsLinkLocalUnicast() {
		select {
		case a.asked <- struct{}{}:
		default:
		}
	}
	return nil
}

// find returns the network namespace that has an address.
func (a *Addresses) find(netns uint32, addr netip.Addr) (number uint32, known bool) {
	book := *a.book.Load()
	if addr.IsLoopback() {
		addr = netip.Addr{} // its own
	}
	if number, known = book[place{netns, addr}]; known || !addr.IsValid() {
		return number, known
	}
	number, known = book[place{0, addr}]
	return number, known
}

// meet looks at a network namespace that is new, and says whether it was.
func (a *Addresses) meet(netns uint32) bool {
	if _, known := (*a.book.Load())[place{netns, netip.Addr{}}]; known {
		return false
	}
	if _, state := a.table.Lookup(Network(netns), 0); state == Unknown {
		return false
	}
	a.refresh(time.Now())
	return true
}

// Run keeps the addresses current until ctx ends.
func (a *Addresses) Run(ctx context.Context) {
	tick := time.NewTicker(addressesFirst)
	defer tick.Stop()
	generation := a.table.Generation()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		select {
		case <-a.asked:
			a.hurry(now)
		default:
			if next := a.table.Generation(); next == generation && !a.due(now) {
				continue
			}
		}
		generation = a.table.Generation()
		a.refresh(now)
	}
}

// hurry makes all networks due, but for those just looked at.
func (a *Addresses) hurry(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.networks {
		if soon := now.Add(addressesFirst); n.next.After(soon) {
			n.next, n.wait = now, addressesFirst
		}
	}
}

// due says whether something is to be looked at again, or forgotten.
func (a *Addresses) due(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.networks {
		if n.ended.IsZero() && !n.next.After(now) || !n.ended.IsZero() && now.Sub(n.ended) > addressesKept {
			return true
		}
	}
	return false
}

// refresh looks at what is due and publishes a new book.
func (a *Addresses) refresh(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	alive := a.table.inhabited()
	if _, ok := alive[a.view.netns]; !ok {
		alive[a.view.netns] = nil
	}
	for number, pids := range alive {
		n := a.networks[number]
		if n == nil || !n.ended.IsZero() {
			n = &network{wait: addressesFirst, next: now}
			a.networks[number] = n
		}
		if n.next.After(now) {
			continue
		}
		n.next, n.wait = now.Add(n.wait), min(2*n.wait, addressesLast)
		if addrs, ok := a.view.addresses(number, pids); ok {
			n.addrs = addrs
		}
	}
	for number, n := range a.networks {
		switch _, ok := alive[number]; {
		case ok:
		case n.ended.IsZero():
			n.ended = now
		case now.Sub(n.ended) > addressesKept:
			delete(a.networks, number)
		}
	}
	a.publish()
}

// publish makes the book of what the networks have. An address that two of them have
// tells nobody from outside who it is; one that lives has it before one that ended.
func (a *Addresses) publish() {
	book := make(map[place]uint32, 4*len(a.networks))
	holders := map[netip.Addr]*network{}
	for number, n := range a.networks {
		book[place{number, netip.Addr{}}] = number
		for _, addr := range n.addrs {
			book[place{number, addr}] = number
			if addr.IsLoopback() {
				continue
			}
			key := place{0, addr}
			switch other := holders[addr]; {
			case other == nil, !other.ended.IsZero() && n.ended.IsZero():
				book[key], holders[addr] = number, n
			case other.ended.IsZero() && !n.ended.IsZero():
			default:
				book[key] = 0
			}
		}
	}
	a.book.Store(&book)
}

// inhabited are the network namespaces in which somebody lives, wanted or not, with
// processes in them.
func (t *Table) inhabited() map[uint32][]uint32 {
	all := map[uint32][]uint32{}
	for key, owners := range *t.owners.Load() {
		if number, ok := networkOf(key); ok && owners[0].end == 0 {
			all[number] = owners[0].pids
		}
	}
	return all
}

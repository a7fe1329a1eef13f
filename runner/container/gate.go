package container

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// gate keeps the kernel's filter. The tracker adds namespaces to the same map at
// any moment, for numbers that have just found a new owner too, so that removing
// one needs care.
type gate struct {
	filter, known *ebpf.Map
}

// open lets a namespace through.
func (g *gate) open(number uint64) error {
	if err := g.filter.Put(number, uint32(1)); err != nil {
		return fmt.Errorf("let mount namespace %d through the filter: %w", number, err)
	}
	return nil
}

// close shuts a namespace out, unless its number has a new owner.
func (g *gate) close(number, generation uint64) error {
	if g.successor(number, generation) {
		return nil
	}
	if err := g.filter.Delete(number); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("remove mount namespace %d from the filter: %w", number, err)
	}
	// The number may have been given away between the question and the deletion.
	if g.successor(number, generation) {
		return g.open(number)
	}
	return nil
}

// forget makes the tracker report a namespace again, should it come back to life.
func (g *gate) forget(number, generation uint64) error {
	if g.successor(number, generation) {
		return nil
	}
	if err := g.known.Delete(number); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("forget mount namespace %d: %w", number, err)
	}
	return nil
}

// successor says whether the tracker has seen another namespace with the number.
func (g *gate) successor(number, generation uint64) bool {
	var k known
	return g.known.Lookup(number, &k) == nil && k.Generation != generation
}

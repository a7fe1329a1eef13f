package uprobe

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/cilium/ebpf"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// specs keeps the maps of libbpf's usdt.bpf.h, by which a program reads arguments:
// one says where they are, the other which of those places counts for an address.
// Since Linux 5.15 the second is not needed, as an attachment carries a number.
type specs struct {
	table *ebpf.Map
	// addresses is nil where attachments carry the number.
	addresses *ebpf.Map

	mu sync.Mutex
	// used by description of the arguments; free are the numbers given back.
	used map[string]*spec
	free []uint32
	next uint32
}

// spec is a description of arguments that is in the table.
type spec struct {
	number uint32
	users  int
}

// newSpecs returns nil for a gadget that does not include the header.
func newSpecs(maps map[string]*ebpf.Map, cookies bool) (*specs, error) {
	table := maps[plan.USDTSpecs]
	if table == nil {
		return nil, nil
	}
	if table.Type() != ebpf.Array || table.ValueSize() != specSize {
		return nil, fmt.Errorf("map %s: want an array of %d bytes: use libbpf's usdt.bpf.h", plan.USDTSpecs, specSize)
	}
	s := &specs{table: table, used: map[string]*spec{}}
	if !cookies {
		s.addresses = maps[plan.USDTAddresses]
		if s.addresses == nil || s.addresses.KeySize() != 8 || s.addresses.ValueSize() != 4 {
			return nil, fmt.Errorf("map %s: want addresses and numbers: use libbpf's usdt.bpf.h", plan.USDTAddresses)
		}
	}
	return s, nil
}

// errSpecs says that the table is full.
var errSpecs = errors.New("too many kinds of arguments: define BPF_USDT_MAX_SPEC_CNT before including usdt.bpf.h")

// take returns the number of a description of arguments, which release gives back.
// It comes with an error about arguments that cannot be read, when there is a number.
func (s *specs) take(arguments string) (number uint32, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.used[arguments]; known != nil {
		known.users++
		return known.number, true, nil
	}
	args, err := parseArguments(runtime.GOARCH, arguments)
	number = s.next
	if n := len(s.free); n > 0 {
		number, s.free = s.free[n-1], s.free[:n-1]
	} else if number >= s.table.MaxEntries() {
		return 0, false, errSpecs
	} else {
		s.next++
	}
	if err := s.table.Put(number, encodeSpec(args)); err != nil {
		s.free = append(s.free, number)
		return 0, false, fmt.Errorf("describe arguments: %w", err)
	}
	s.used[arguments] = &spec{number, 1}
	return number, true, err
}

func (s *specs) release(arguments string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.used[arguments]
	if known == nil {
		return
	}
	if known.users--; known.users == 0 {
		delete(s.used, arguments)
		s.free = append(s.free, known.number)
	}
}

// place says that a probe at an address of some process has these arguments.
func (s *specs) place(address uint64, number uint32) error {
	if err := s.addresses.Put(address, number); err != nil {
		return fmt.Errorf("address of a probe: %w", err)
	}
	return nil
}

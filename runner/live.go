package runner

import (
	"fmt"
	"io"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Live is a look at a run that goes on. Its methods may be called from any goroutine,
// and answer nothing more when the run is over.
type Live struct {
	mu sync.Mutex
	r  *run
}

// ProgramUse is a program of a run that is attached, and how much it ran since the
// kernel measures ([MeasurePrograms]).
type ProgramUse struct {
	Name, Kind, Hook string
	// ID is the kernel's.
	ID uint32
	// Nanoseconds that it ran, in so many Runs.
	Nanoseconds, Runs uint64
}

// end lets go of the run, which frees all that there is to see next.
func (l *Live) end() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r = nil
}

// Report counts the events so far; losses are those of a second ago at most. It is
// nil when the run is over.
func (l *Live) Report() *Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.r == nil {
		return nil
	}
	return l.r.report()
}

// Programs are those that are attached, in the order of the gadget.
func (l *Live) Programs() []ProgramUse {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.r == nil {
		return nil
	}
	var uses []ProgramUse
	for i := range l.r.plan.Programs {
		p := &l.r.plan.Programs[i]
		loaded := l.r.loaded.coll.Programs[p.Name]
		if loaded == nil || !l.r.choice.uses(p.Name) || l.r.choice.idle[p.Name] {
			continue
		}
		u := ProgramUse{Name: p.Name, Kind: p.Kind, Hook: p.Hook}
		if info, err := loaded.Info(); err == nil {
			id, _ := info.ID()
			u.ID = uint32(id)
		}
		if stats, err := loaded.Stats(); err == nil {
			u.Nanoseconds, u.Runs = uint64(stats.Runtime), stats.RunCount
		}
		uses = append(uses, u)
	}
	return uses
}

// MapMemory is what the maps of the gadget take, in bytes.
func (l *Live) MapMemory() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.r == nil {
		return 0
	}
	var total uint64
	for _, m := range l.r.loaded.coll.Maps {
		if info, err := m.Info(); err == nil {
			n, _ := info.Memlock()
			total += n
		}
	}
	return total
}

// MeasurePrograms makes the kernel measure how long eBPF programs run, all of the
// machine's, until the result is closed. It costs each run of a program some 40 ns and
// needs CAP_SYS_ADMIN. The error wraps [ebpf.ErrNotSupported] before Linux 5.8.
func MeasurePrograms() (io.Closer, error) {
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, fmt.Errorf("measure eBPF programs: %w", err)
	}
	return stats, nil
}

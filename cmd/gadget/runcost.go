package main

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/detached"
	"github.com/gadget-bpf/gadget/runner"
)

// measureAlways makes the kernel measure programs for as long as the run goes on,
// where that is wanted; nil when it is not, or cannot be.
func (d *detachedRun) measureAlways() io.Closer {
	if !d.opts.detach.stats {
		return nil
	}
	stats, err := runner.MeasurePrograms()
	if err != nil {
		d.app.log.Warn(err.Error())
		return nil
	}
	return stats
}

// Status implements detached.Subject.
func (d *detachedRun) Status(measure time.Duration) detached.State {
	d.mu.Lock()
	live := d.live
	d.count()
	s := *d.dir.State
	d.mu.Unlock()
	if live == nil {
		return s
	}
	before := look(live, &s)
	cost := &detached.Cost{MapMemory: live.MapMemory(), RSS: residentSet(), ProgramNs: before.programNs, ProgramRuns: before.runs}
	s.Cost = cost
	if measure <= 0 {
		return s
	}
	stats, err := runner.MeasurePrograms()
	if err == nil {
		defer stats.Close()
		before = look(live, &s)
	}
	select {
	case <-time.After(measure):
	case <-d.over:
	}
	d.mu.Lock()
	d.count()
	s = *d.dir.State
	d.mu.Unlock()
	s.Cost = cost
	after := look(live, &s)
	elapsed := float64(after.at.Sub(before.at))
	cost.ProcessCPU = new(100 * float64(after.process-before.process) / elapsed)
	if err != nil || after.programNs < before.programNs {
		return s
	}
	cost.ProgramNs, cost.ProgramRuns = after.programNs, after.runs
	cost.ProgramsCPU = new(100 * float64(after.programNs-before.programNs) / elapsed)
	if n := after.events - before.events; after.events > before.events {
		cost.NsPerEvent = new(float64(after.programNs-before.programNs) / float64(n))
	}
	return s
}

// costs are what a run has taken up to a moment.
type costs struct {
	at              time.Time
	process         time.Duration
	programNs, runs uint64
	events          uint64
}

// look sums up what a run has taken so far; the events are those of its state.
func look(live *runner.Live, s *detached.State) costs {
	c := costs{at: time.Now()}
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		c.process = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	for _, p := range live.Programs() {
		c.programNs += p.Nanoseconds
		c.runs += p.Runs
	}
	for _, source := range s.Sources {
		c.events += source.Delivered + source.Filtered + source.Lost
	}
	return c
}

// residentSet is the memory that this process has in use, in bytes: the second number
// of /proc/self/statm is in pages (proc_pid_statm(5)).
func residentSet() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
	return pages * uint64(os.Getpagesize())
}

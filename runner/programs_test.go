package runner

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
)

// TestPerfEvents checks that samples come from every CPU at the rate asked for, and
// that every event counts where that was asked for.
func TestPerfEvents(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/perfevent")
	var out bytes.Buffer
	o := Options{Host: true, Out: &out, Encoder: json, Params: map[string]string{"target": strconv.Itoa(os.Getpid())}}
	const pages = 500
	busy := 400 * time.Millisecond
	runUntil(t, p, o, func() {
		touch(t, pages)
		for cpu := range runtime.NumCPU() {
			spin(t, cpu, busy)
		}
	})
	clock, faults := map[int]int{}, 0
	for line := range strings.Lines(out.String()) {
		var e struct {
			CPU   int
			Cause string
		}
		decode(t, []byte(line), &e)
		switch e.Cause {
		case "CLOCK":
			clock[e.CPU]++
		case "FAULT":
			faults++
		}
	}
	for cpu := range runtime.NumCPU() {
		// 997 Hz; a busy machine gives us less of a CPU.
		if n := clock[cpu]; n < 20 || n > 1000 {
			t.Errorf("%d samples of CPU %d in %v", n, cpu, busy)
		}
	}
	if faults < pages {
		t.Errorf("%d page faults, want %d and more", faults, pages)
	}
}

// touch makes as many page faults.
func touch(t *testing.T, pages int) {
	mem, err := unix.Mmap(-1, 0, pages*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Error(err)
		return
	}
	// A huge page would be one fault.
	_ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE)
	for i := range pages {
		mem[i*os.Getpagesize()] = 1
	}
	if err := unix.Munmap(mem); err != nil {
		t.Error(err)
	}
}

// spin keeps one CPU busy.
func spin(t *testing.T, cpu int, d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Error(err)
	}
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		t.Error(err)
	}
	for start := time.Now(); time.Since(start) < d; {
	}
	if err := unix.SchedSetaffinity(0, &before); err != nil {
		t.Error(err)
	}
}

// TestPerfRefusals checks what is said of events and rates that a machine does not have.
func TestPerfRefusals(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/perfevent")
	perf := p.Program("on_clock").Perf
	perf.Frequency = 100_000_000
	if _, err := Run(t.Context(), p, Options{Host: true}); err == nil || !strings.Contains(err.Error(), "100000000 samples a second are more than "+maxFrequencyPath+" allows: ") {
		t.Errorf("error %v", err)
	}
	perf.Type, perf.Config, perf.Name, perf.Frequency = 0, 99, "count_hw_nothing", 1
	var host *HostError
	if _, err := Run(t.Context(), p, Options{Host: true}); !errors.As(err, &host) || host.Need != "the event count_hw_nothing" {
		t.Errorf("error %v", err)
	}
}

package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
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

// TestPinned checks that a pinned map goes on where the run before ended, is never
// mixed up with another of its name, and is not touched by a trial.
func TestPinned(t *testing.T) {
	gadgettest.NeedRoot(t)
	const file = bpffs + "/gadget_test_pinned"
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(file) })
	p := gadgettest.Plan(t, "testdata/pinned")
	if _, err := Try(p, Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after a trial: %v", err)
	}
	var out bytes.Buffer
	for range 2 {
		runUntil(t, p, floodOptions(&out), func() { calls(3) })
	}
	if want := "begin\n0\n1\n2\nend\nbegin\n3\n4\n5\nend\n"; out.String() != want {
		t.Errorf("events %q, want %q", out.String(), want)
	}

	p.Spec.Maps["gadget_test_pinned"].MaxEntries = 7
	if _, err := Run(t.Context(), p, floodOptions(&out)); !errors.Is(err, ebpf.ErrMapIncompatible) || !strings.Contains(err.Error(), "remove it from "+bpffs) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("a run that failed took the map away: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	p.Spec.Programs["on_syscall"].Instructions[0] = asm.Mov.Reg(asm.R0, asm.R9)
	if _, err := Run(t.Context(), p, floodOptions(&out)); err == nil {
		t.Fatal("it ran")
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a run that failed left a map: %v", err)
	}
}

// TestTracePipe checks that what a program prints arrives, to the last line.
func TestTracePipe(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/printk")
	o := floodOptions(nil)
	o.Encoder = nil
	n, want := 0, fmt.Sprintf("bpf_trace_printk: call of process %d", os.Getpid())
	o.TracePipe = func(line string) {
		if strings.HasSuffix(line, want) {
			n++
		}
	}
	runUntil(t, p, o, func() { calls(50) })
	if n != 50 {
		t.Errorf("%d lines that end in %q, want 50", n, want)
	}
}

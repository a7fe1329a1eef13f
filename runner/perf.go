package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// perfEvent is an event on one CPU with a program that its samples run. Closing
// it detaches the program.
type perfEvent int

// Close implements [io.Closer].
func (fd perfEvent) Close() error { return unix.Close(int(fd)) }

// attachPerf attaches a program to the samples of an event on every online CPU.
func attachPerf(prog *plan.Program, loaded *ebpf.Program) (io.Closer, error) {
	cpus, err := onlineCPUs()
	if err != nil {
		return nil, err
	}
	var all closers
	for _, cpu := range cpus {
		fd, err := openPerf(prog.Perf, cpu)
		if errors.Is(err, unix.ENODEV) {
			continue // it went offline meanwhile
		}
		if err == nil {
			all = append(all, fd)
			err = fd.run(loaded)
		}
		if err != nil {
			_ = all.Close()
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no CPU of %v is online", cpus)
	}
	return all, nil
}

// run makes samples run a program. All kernels know this way; a link would do no more.
func (fd perfEvent) run(loaded *ebpf.Program) error {
	if err := unix.IoctlSetInt(int(fd), unix.PERF_EVENT_IOC_SET_BPF, loaded.FD()); err != nil {
		return fmt.Errorf("give perf event its program: %w", err)
	}
	if err := unix.IoctlSetInt(int(fd), unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
		return fmt.Errorf("enable perf event: %w", err)
	}
	return nil
}

func openPerf(p *plan.Perf, cpu int) (perfEvent, error) {
	attr := unix.PerfEventAttr{
		Type: p.Type, Config: p.Config, Sample: p.Period,
		Size:        uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		Sample_type: unix.PERF_SAMPLE_RAW, Bits: unix.PerfBitDisabled,
	}
	if p.Frequency > 0 {
		attr.Sample = p.Frequency
		attr.Bits |= unix.PerfBitFreq
	}
	fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	switch {
	case err == nil:
		return perfEvent(fd), nil
	case errors.Is(err, unix.ENODEV):
		return 0, err
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EOPNOTSUPP):
		return 0, &HostError{Need: "the event " + p.Name, Hint: "virtual machines often have no hardware events; count_sw_cpu_clock is everywhere"}
	case errors.Is(err, unix.EINVAL) && p.Frequency > maxFrequency():
		return 0, fmt.Errorf("%d samples a second are more than %s allows: %d", p.Frequency, maxFrequencyPath, maxFrequency())
	}
	return 0, fmt.Errorf("open perf event %s on CPU %d: %w", p, cpu, err)
}

const maxFrequencyPath = "/proc/sys/kernel/perf_event_max_sample_rate"

// maxFrequency is how many samples a second the kernel takes at most, 0 when it
// does not say.
func maxFrequency() uint64 {
	text, err := os.ReadFile(maxFrequencyPath)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// onlineCPUs are the numbers of the CPUs that run now.
func onlineCPUs() ([]int, error) {
	const file = "/sys/devices/system/cpu/online"
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("list CPUs: %w", err)
	}
	cpus, err := parseCPUs(string(text))
	if err != nil {
		return nil, fmt.Errorf("list CPUs: %s: %w", file, err)
	}
	return cpus, nil
}

// parseCPUs reads a list of the kernel: 0-3,8,10-11 (lib/bitmap.c).
func parseCPUs(list string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		from, err := strconv.Atoi(first)
		if err != nil {
			return nil, fmt.Errorf("%q is no list of CPUs", list)
		}
		to, err := strconv.Atoi(last)
		if err != nil || to < from {
			return nil, fmt.Errorf("%q is no list of CPUs", list)
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

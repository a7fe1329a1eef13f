// Package usage makes tables of what uses this machine. Each kind of table is
// made by a collector that remembers what it saw, so that a table tells of the
// time since the one before.
//
//	Processes  all processes: processor time, memory, state (/proc)
//	Cgroups    cgroups with a limit of processor time (/sys/fs/cgroup)
//	Programs   eBPF programs, their cost and who holds them (bpf(2), /proc)
//
// Rows are the structs of package plan as they lie in memory. What ends or
// changes while it is looked at, and what the user may not see, is left out
// without an error. A collector belongs to one goroutine.
package usage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// appendRow appends a struct of plain numbers and bytes as it lies in memory.
func appendRow[T any](dst []byte, row *T) []byte {
	return append(dst, unsafe.Slice((*byte)(unsafe.Pointer(row)), unsafe.Sizeof(*row))...)
}

// setText fills a field of a row, whose last byte stays 0.
func setText[T string | []byte](field []byte, text T) {
	n := copy(field[:len(field)-1], text)
	clear(field[n:])
}

// percent is what part is of whole, 0 when there is no whole.
func percent[T uint64 | int64 | float64](part, whole T) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// monotonic and boot are clocks, in nanoseconds.
func monotonic() int64 { return clock(unix.CLOCK_MONOTONIC) }
func boot() int64      { return clock(unix.CLOCK_BOOTTIME) }

func clock(id int32) int64 {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

// onlineCPUs is how many processors the machine has in use, whichever of them
// this process may run on.
func onlineCPUs() (int, error) {
	const file = "/sys/devices/system/cpu/online"
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("count processors: %w", err)
	}
	n, err := countRanges(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("count processors: %s: %w", file, err)
	}
	return n, nil
}

// countRanges counts the numbers of a list such as 0-3,7.
func countRanges(list string) (int, error) {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 16)
		b, errB := strconv.ParseUint(last, 10, 16)
		if errA != nil || errB != nil || b < a {
			return 0, fmt.Errorf("%q is not a list of numbers", list)
		}
		n += int(b-a) + 1
	}
	return n, nil
}

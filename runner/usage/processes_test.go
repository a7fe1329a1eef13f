package usage

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// rowsOf reads raw rows back.
func rowsOf[T any](t *testing.T, raw []byte) []T {
	t.Helper()
	var row T
	size := int(unsafe.Sizeof(row))
	if len(raw)%size != 0 {
		t.Fatalf("%d bytes of rows with %d", len(raw), size)
	}
	var rows []T
	for ; len(raw) > 0; raw = raw[size:] {
		rows = append(rows, *(*T)(unsafe.Pointer(&raw[0])))
	}
	return rows
}

func text(field []byte) string { return string(bytes.TrimRight(field, "\x00")) }

// find returns the row of a process, nil when there is none.
func find(t *testing.T, p *Processes, pid int) *plan.ProcessRow {
	t.Helper()
	raw, err := p.Fetch(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rowsOf[plan.ProcessRow](t, raw) {
		if int(r.PID) == pid {
			return &r
		}
	}
	return nil
}

// TestOwnProcess compares the row of this process with what it knows of itself.
func TestOwnProcess(t *testing.T) {
	begun, cpu := monotonic(), clock(unix.CLOCK_PROCESS_CPUTIME_ID)
	p, err := NewProcesses(ProcessOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	old, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	const odd = "a) (\\n\x1b[1m" // no newline, which old kernels write in another way
	if err := os.WriteFile("/proc/self/comm", []byte(odd), 0); err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile("/proc/self/comm", bytes.TrimSpace(old), 0)

	ballast := bytes.Repeat([]byte{1}, 64<<20)
	// Of the processor, not of the clock: others may be busy, too.
	for clock(unix.CLOCK_PROCESS_CPUTIME_ID)-cpu < 300e6 {
	}
	r := find(t, p, os.Getpid())
	if r == nil {
		t.Fatal("no row")
	}
	used := percent(clock(unix.CLOCK_PROCESS_CPUTIME_ID)-cpu, monotonic()-begun)
	runtime.KeepAlive(ballast)
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/mnt", &ns); err != nil {
		t.Fatal(err)
	}
	type facts struct {
		PPID, Nice int32
		Comm       string
		UID        uint32
		MntNS      uint64
	}
	got := facts{r.PPID, r.Nice, text(r.Comm[:]), r.UID, r.MntNS}
	priority, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The system call counts from 40 down to 1.
	want := facts{int32(os.Getppid()), int32(20 - priority), odd, uint32(os.Geteuid()), ns.Ino}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if r.RSS < 64<<20 || r.Virtual < r.RSS || r.Shared == 0 || r.Shared > r.RSS || r.MemoryRelative <= 0 || r.MemoryRelative > 100 {
		t.Errorf("memory: %+v", r)
	}
	if age := boot() - int64(r.Started); r.Threads < 2 || age < 0 || age > 3600e9 || r.Spent < 100e6 || r.Spent != r.CPUTime*1e7 {
		t.Errorf("times: %+v", r)
	}
	if math.Abs(r.CPUUsage-used) > 0.2*used || math.Abs(r.CPUUsage/p.cpus-r.CPUUsageRelative) > 1e-9 {
		t.Errorf("%f %% of one and %f %% of all processors; measured was %f", r.CPUUsage, r.CPUUsageRelative, used)
	}
}

// Nothing that is asked for without need is read.
func TestProcessOptions(t *testing.T) {
	p, err := NewProcesses(ProcessOptions{NoShared: true, NoOwner: true, NoMntNS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if r := find(t, p, os.Getpid()); r == nil || r.Shared != 0 || r.UID != 0 || r.MntNS != 0 || r.RSS == 0 {
		t.Errorf("row %+v", r)
	}
}

// fakeProc is a procfs of files.
type fakeProc struct{ dir string }

func (f fakeProc) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// statLine is a line of /proc/PID/stat.
func statLine(pid int, comm string, ticks, start int) string {
	return fmt.Sprintf("%d (%s) S 1 0 0 0 -1 4194560 0 0 0 0 %d 2 0 0 20 -5 3 0 %d 8192 2 18446744073709551615 1 1\n", pid, comm, ticks, start)
}

// Processes that vanish while they are read, or may not be read, are left out, and
// no content of a file can do harm.
func TestHostileProc(t *testing.T) {
	f := fakeProc{t.TempDir()}
	f.write(t, "10/stat", statLine(10, "a) R \\n (\x1b", 5, 700))
	f.write(t, "10/statm", "3 2 1 0 0 0 0\n")
	f.write(t, "10/ns/file", "")
	if err := os.Symlink("mnt:[4026531841]", filepath.Join(f.dir, "10/ns/mnt")); err != nil {
		t.Fatal(err)
	}
	f.write(t, "11/statm", "3 2 1\n")              // its stat is gone, or hidden
	f.write(t, "12/stat", statLine(12, "x", 1, 1)) // its statm is gone
	f.write(t, "13/stat", "")
	f.write(t, "13/statm", "")
	f.write(t, "14/stat", "14 (cut off) S 1 2")
	f.write(t, "15/stat", "15 no parentheses")
	f.write(t, "16/stat", "16 )(")
	f.write(t, "17/stat", "17 ("+strings.Repeat("long", 5000)+") S 1")
	f.write(t, "18/stat", statLine(18, strings.Repeat("y", 100), 1, 1))
	f.write(t, "18/statm", "words and no numbers")
	f.write(t, "version", "Linux")
	f.write(t, "1x", "a file")
	p, err := NewProcesses(ProcessOptions{Proc: f.dir})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	raw, err := p.Fetch(nil)
	if err != nil {
		t.Fatal(err)
	}
	comms := map[int32]string{}
	for _, r := range rowsOf[plan.ProcessRow](t, raw) {
		comms[r.PID] = text(r.Comm[:])
	}
	want := map[int32]string{10: "a) R \\n (\x1b", 18: strings.Repeat("y", 63)}
	if diff := cmp.Diff(want, comms); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	page := uint64(os.Getpagesize())
	r := find(t, p, 10)
	if r.CPUTime != 7 || r.Spent != 70e6 || r.Started != 7e9 || r.Priority != 20 || r.Nice != -5 || r.Threads != 3 ||
		r.Virtual != 8192 || r.RSS != 2*page || r.Shared != page || r.MntNS != 4026531841 || text(r.State[:]) != "S" {
		t.Errorf("row %+v", r)
	}
	if p.row.UID != uint32(os.Geteuid()) {
		t.Errorf("uid %d", p.row.UID)
	}
}

// TestProcessorUse checks what counts as use since the last table.
func TestProcessorUse(t *testing.T) {
	const old, lastBoot = 100, 500e9 // started after a second; the last table was after 500
	tests := []struct {
		name   string
		before map[int32]spent
		row    plan.ProcessRow
		first  bool
		want   float64
	}{
		{"went on", map[int32]spent{7: {old, 40}}, plan.ProcessRow{PID: 7, StartTime: old, CPUTime: 90}, false, 25},
		{"rested", map[int32]spent{7: {old, 40}}, plan.ProcessRow{PID: 7, StartTime: old, CPUTime: 40}, false, 0},
		{"two processors", map[int32]spent{7: {old, 0}}, plan.ProcessRow{PID: 7, StartTime: old, CPUTime: 400}, false, 200},
		{"new", nil, plan.ProcessRow{PID: 7, StartTime: 50_001, CPUTime: 50}, false, 25},
		{"started with the last table", nil, plan.ProcessRow{PID: 7, StartTime: 49_999, CPUTime: 50}, false, 25},
		{"was hidden", nil, plan.ProcessRow{PID: 7, StartTime: old, CPUTime: 50}, false, 0},
		{"another of that number", map[int32]spent{7: {old, 900}}, plan.ProcessRow{PID: 7, StartTime: 50_100, CPUTime: 50}, false, 25},
		{"time went back", map[int32]spent{7: {old, 900}}, plan.ProcessRow{PID: 7, StartTime: old, CPUTime: 50}, false, 0},
		{"first look", nil, plan.ProcessRow{PID: 7, StartTime: 50_001, CPUTime: 50}, true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &Processes{cpus: 4, before: tt.before, now: map[int32]spent{}, row: tt.row, lastLook: 1, lastBoot: lastBoot}
			if tt.first {
				p.lastLook = 0
			}
			p.account(2e9)
			if r := p.row; r.CPUUsage != tt.want || r.CPUUsageRelative != tt.want/4 {
				t.Errorf("%f %% and %f %%, want %f", r.CPUUsage, r.CPUUsageRelative, tt.want)
			}
			if got := p.now[7]; got != (spent{tt.row.StartTime, tt.row.CPUTime}) {
				t.Errorf("remembered %+v", got)
			}
		})
	}
}

// Processes that come and go while tables are made do no harm.
func TestVanishing(t *testing.T) {
	p, err := NewProcesses(ProcessOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			_ = exec.Command("/bin/true").Run()
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		if find(t, p, os.Getpid()) == nil {
			t.Fatal("this process is missing")
		}
	}
}

func TestCountRanges(t *testing.T) {
	for list, want := range map[string]int{"0": 1, "0-1": 2, "0-3,7,9-10": 7, "": -1, "3-1": -1, "a": -1, "0-": -1} {
		got, err := countRanges(list)
		if want < 0 {
			if err == nil {
				t.Errorf("%q: %d", list, got)
			}
		} else if got != want || err != nil {
			t.Errorf("%q: %d %v, want %d", list, got, err, want)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte(statLine(1, "a) (b", 1, 2)))
	f.Add([]byte("1 (a"))
	f.Fuzz(func(t *testing.T, line []byte) {
		var r plan.ProcessRow
		if parseStat(line, &r) && bytes.Count(line, []byte(" ")) < 22 {
			t.Errorf("%q is not complete", line)
		}
		if r.Comm[len(r.Comm)-1] != 0 {
			t.Errorf("name without an end: %q", r.Comm)
		}
	})
}

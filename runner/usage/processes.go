package usage

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// userHZ is the unit of times in /proc, for all machines that run gadget
// (include/asm-generic/param.h, USER_HZ).
const userHZ = 100

// nsPerTick is one unit of times in /proc in nanoseconds.
const nsPerTick = 1e9 / userHZ

// ProcessOptions say what is not wanted: each saves some of the time that a table
// takes. The zero value fills whole rows from /proc.
type ProcessOptions struct {
	// NoShared, NoOwner and NoMntNS leave 0 in the members Shared, UID and MntNS.
	NoShared, NoOwner, NoMntNS bool
	// Proc is where procfs is mounted; "" is /proc.
	Proc string
}

// Processes makes tables of the processes of this machine. Their rows are of
// [plan.ProcessRow].
type Processes struct {
	opts ProcessOptions
	dir  *os.File
	// fd is that of dir.
	fd       int
	cpus     float64
	memory   uint64
	pageSize uint64

	// before and now are the processor times in the last table and in this one.
	before, now map[int32]spent
	// lastLook is when the last table was made: monotonic and since boot.
	lastLook, lastBoot int64
	row                plan.ProcessRow
	buf                [4096]byte
}

// spent is the processor time of a process that started then, both in ticks.
type spent struct{ start, ticks uint64 }

// NewProcesses takes the first look, from which the first table tells differences.
func NewProcesses(o ProcessOptions) (*Processes, error) {
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	cpus, err := onlineCPUs()
	if err != nil {
		return nil, err
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return nil, fmt.Errorf("read size of memory: %w", err)
	}
	dir, err := os.Open(o.Proc)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	p := &Processes{
		opts: o, dir: dir, fd: int(dir.Fd()), cpus: float64(cpus), pageSize: uint64(os.Getpagesize()),
		memory: uint64(info.Totalram) * uint64(info.Unit),
		before: map[int32]spent{}, now: map[int32]spent{},
	}
	if _, err := p.Fetch(nil); err != nil {
		return nil, err
	}
	return p, nil
}

// Close frees what the collector holds.
func (p *Processes) Close() error { return p.dir.Close() }

// Fetch appends a row for each process.
func (p *Processes) Fetch(dst []byte) ([]byte, error) {
	if _, err := p.dir.Seek(0, 0); err != nil {
		return dst, fmt.Errorf("list processes: %w", err)
	}
	names, err := p.dir.Readdirnames(-1)
	if err != nil {
		return dst, fmt.Errorf("list processes: %w", err)
	}
	look, lookBoot := monotonic(), boot()
	elapsed := float64(look - p.lastLook)
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		if p.read(name) {
			p.account(elapsed)
			dst = appendRow(dst, &p.row)
		}
	}
	p.before, p.now = p.now, p.before
	clear(p.now)
	p.lastLook, p.lastBoot = look, lookBoot
	return dst, nil
}

// account computes the use of processors since the last table.
func (p *Processes) account(elapsed float64) {
	r := &p.row
	p.now[r.PID] = spent{r.StartTime, r.CPUTime}
	last, known := p.before[r.PID]
	switch {
	case p.lastLook == 0:
		return
	case known && last.start == r.StartTime && last.ticks <= r.CPUTime:
		last.ticks = r.CPUTime - last.ticks
	case int64(r.StartTime+1)*nsPerTick >= p.lastBoot:
		last.ticks = r.CPUTime
	default:
		// It is older, and could not be seen.
		return
	}
	r.CPUUsage = percent(float64(last.ticks)*nsPerTick, elapsed)
	r.CPUUsageRelative = r.CPUUsage / p.cpus
}

// read fills the row with a process and reports whether it is still there.
func (p *Processes) read(name string) bool {
	p.row = plan.ProcessRow{}
	text, err := p.file(name + "/stat")
	if err != nil || !parseStat(text, &p.row) {
		return false
	}
	r := &p.row
	r.RSS *= p.pageSize
	r.MemoryRelative = percent(r.RSS, p.memory)
	r.Started, r.Spent = r.StartTime*nsPerTick, r.CPUTime*nsPerTick
	// Threads of the kernel have no memory of their own.
	if !p.opts.NoShared && r.Virtual > 0 {
		if text, err = p.file(name + "/statm"); err != nil {
			return false
		}
		// Pages: size, resident, shared (fs/proc/array.c, proc_pid_statm).
		text, _, _ = nextNumber(text)
		text, _, _ = nextNumber(text)
		_, shared, _ := nextNumber(text)
		r.Shared = uint64(shared) * p.pageSize
	}
	if !p.opts.NoOwner {
		// The directory belongs to the user as which the process acts.
		var st unix.Stat_t
		if unix.Fstatat(p.fd, name, &st, 0) != nil {
			return false
		}
		r.UID = st.Uid
	}
	if !p.opts.NoMntNS {
		r.MntNS = p.mountNamespace(name)
	}
	return true
}

// mountNamespace is 0 for what has ended and for whom we may not ask.
func (p *Processes) mountNamespace(name string) uint64 {
	n, err := unix.Readlinkat(p.fd, name+"/ns/mnt", p.buf[:])
	if err != nil {
		return 0
	}
	number, _ := bytes.CutPrefix(p.buf[:n], []byte("mnt:["))
	_, inode, _ := nextNumber(number)
	return uint64(inode)
}

// file reads the begin of a file into the buffer.
func (p *Processes) file(name string) ([]byte, error) {
	fd, err := unix.Openat(p.fd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, p.buf[:])
	return p.buf[:max(n, 0)], err
}

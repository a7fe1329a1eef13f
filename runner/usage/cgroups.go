package usage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// ErrNoController means that no hierarchy of cgroups here limits processor time.
var ErrNoController = errors.New("no mounted cgroup hierarchy has the cpu controller")

// maxMembers is how many processes of a cgroup are asked for their mount namespace.
const maxMembers = 256

// CgroupOptions are for tests: the zero value is right for this machine.
type CgroupOptions struct {
	// Proc is where procfs is mounted; "" is /proc. Its self/mountinfo tells where
	// the hierarchies are.
	Proc string
}

// Cgroups makes tables of the cgroups that may use only so much processor time.
// Their rows are of [plan.CgroupRow], in the order of their paths.
type Cgroups struct {
	proc string
	tree hierarchy
	// pressure is where cgroup2 is mounted, which tells how long threads wait; "" if
	// it is not. Runtimes give a cgroup the same path in all hierarchies.
	pressure string

	before, now map[string]throttling
	first       bool
	row         plan.CgroupRow
}

// hierarchy is the one with the cpu controller.
type hierarchy struct {
	mount string
	// unified is true for cgroup v2.
	unified bool
}

// throttling are the counters of a cgroup, time in nanoseconds.
type throttling struct{ periods, throttled, time uint64 }

// limit is processor time in a period, both in nanoseconds.
type limit struct{ quota, period uint64 }

// NewCgroups takes the first look. The error wraps [ErrNoController] where nothing
// can be limited.
func NewCgroups(o CgroupOptions) (*Cgroups, error) {
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	c := &Cgroups{proc: o.Proc, before: map[string]throttling{}, now: map[string]throttling{}, first: true}
	mounts, err := os.ReadFile(filepath.Join(o.Proc, "self/mountinfo"))
	if err != nil {
		return nil, fmt.Errorf("find cgroups: %w", err)
	}
	if c.tree, c.pressure = findHierarchies(string(mounts)); c.tree.mount == "" {
		return nil, fmt.Errorf("find cgroups: %w", ErrNoController)
	}
	if _, err := c.Fetch(nil); err != nil {
		return nil, err
	}
	c.first = false
	return c, nil
}

// findHierarchies returns the hierarchy with the cpu controller, and where cgroup2
// is mounted.
func findHierarchies(mountinfo string) (tree hierarchy, cgroup2 string) {
	for line := range strings.Lines(mountinfo) {
		// ID parent major:minor root mountpoint options [optional…] - type source superoptions
		before, after, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		mount, fs := strings.Fields(before), strings.Fields(after)
		if len(mount) < 5 || len(fs) < 3 {
			continue
		}
		at := unescapeMount(mount[4])
		switch {
		case fs[0] == "cgroup" && hasWord(fs[2], ",", "cpu"):
			tree = hierarchy{mount: at}
		case fs[0] == "cgroup2":
			cgroup2 = at
			controllers, _ := os.ReadFile(filepath.Join(at, "cgroup.controllers"))
			if tree.mount == "" && hasWord(strings.TrimSpace(string(controllers)), " ", "cpu") {
				tree = hierarchy{mount: at, unified: true}
			}
		}
	}
	return tree, cgroup2
}

func hasWord(list, separator, word string) bool {
	for w := range strings.SplitSeq(list, separator) {
		if w == word {
			return true
		}
	}
	return false
}

// unescapeMount gives back the blanks of a path, which mountinfo writes as \040 and
// the like (fs/proc_namespace.c, mangle).
func unescapeMount(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// Close frees what the collector holds, which is nothing.
func (c *Cgroups) Close() error { return nil }

// Fetch appends a row for each cgroup with a limit.
func (c *Cgroups) Fetch(dst []byte) ([]byte, error) {
	if _, err := os.Stat(c.tree.mount); err != nil {
		return dst, fmt.Errorf("list cgroups: %w", err)
	}
	dst = c.walk(dst, "/")
	c.before, c.now = c.now, c.before
	clear(c.now)
	return dst, nil
}

// walk appends the rows of a cgroup and of those below it.
func (c *Cgroups) walk(dst []byte, path string) []byte {
	dir := filepath.Join(c.tree.mount, path)
	if l, ok := c.tree.limit(dir); ok {
		if counters, ok := c.tree.throttling(dir); ok {
			c.now[path] = counters
			if !c.first {
				c.fill(path, l, counters)
				dst = appendRow(dst, &c.row)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return dst
	}
	for _, e := range entries {
		if e.IsDir() {
			dst = c.walk(dst, filepath.Join(path, e.Name()))
		}
	}
	return dst
}

// fill makes the row of a cgroup.
func (c *Cgroups) fill(path string, l limit, counters throttling) {
	last := c.before[path]
	if counters.periods < last.periods { // another one of that name
		last = throttling{}
	}
	r := &c.row
	*r = plan.CgroupRow{
		Periods: counters.periods - last.periods, Throttled: counters.throttled - last.throttled,
		ThrottledTime: counters.time - last.time,
		Quota:         l.quota, Period: l.period, LimitCores: float64(l.quota) / float64(l.period),
	}
	r.ThrottleRatio = percent(r.Throttled, r.Periods)
	setText(r.Path[:], path)
	if c.pressure != "" {
		text, _ := os.ReadFile(filepath.Join(c.pressure, path, "cpu.pressure"))
		r.PSI10, r.PSI60 = parsePressure(text)
	}
	r.MntNS, _ = c.mountNamespace(filepath.Join(c.tree.mount, path), new(int))
}

// limit reads what a cgroup may use; false when that is unlimited, or it is gone.
func (h hierarchy) limit(dir string) (limit, bool) {
	var quota, period string
	if h.unified {
		quota, period, _ = strings.Cut(readLine(filepath.Join(dir, "cpu.max")), " ")
	} else {
		quota = readLine(filepath.Join(dir, "cpu.cfs_quota_us"))
		period = readLine(filepath.Join(dir, "cpu.cfs_period_us"))
	}
	// Unlimited is max, or -1.
	q, errQ := strconv.ParseUint(quota, 10, 32)
	p, errP := strconv.ParseUint(period, 10, 32)
	if errQ != nil || errP != nil || p == 0 {
		return limit{}, false
	}
	return limit{q * 1000, p * 1000}, true
}

// throttling reads the counters of a cgroup; false when it is gone.
func (h hierarchy) throttling(dir string) (throttling, bool) {
	text, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
	if err != nil {
		return throttling{}, false
	}
	var t throttling
	for line := range bytes.Lines(text) {
		key, value, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
		n, err := strconv.ParseUint(string(value), 10, 64)
		if err != nil {
			continue
		}
		switch string(key) {
		case "nr_periods":
			t.periods = n
		case "nr_throttled":
			t.throttled = n
		case "throttled_time": // v1, nanoseconds
			t.time = n
		case "throttled_usec": // v2
			t.time = n * 1000
		}
	}
	return t, true
}

// parsePressure reads the line "some avg10=0.12 avg60=0.00 avg300=0.00 total=0" of
// cpu.pressure (Documentation/accounting/psi.rst).
func parsePressure(text []byte) (avg10, avg60 float64) {
	line, _, _ := strings.Cut(string(text), "\n")
	fields, ok := strings.CutPrefix(line, "some ")
	if !ok {
		return 0, 0
	}
	for field := range strings.SplitSeq(fields, " ") {
		key, value, _ := strings.Cut(field, "=")
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || !(v >= 0 && v <= 100) {
			continue
		}
		switch key {
		case "avg10":
			avg10 = v
		case "avg60":
			avg60 = v
		}
	}
	return avg10, avg60
}

// mountNamespace is that of all processes in a cgroup and below it; 0 when there
// are none. It is false, and 0, when they differ: the cgroup is that of several
// containers. asked counts the processes that were asked.
func (c *Cgroups) mountNamespace(dir string, asked *int) (mntns uint64, same bool) {
	text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for pid := range strings.FieldsSeq(string(text)) {
		if *asked++; *asked > maxMembers {
			break
		}
		var st unix.Stat_t
		if unix.Stat(filepath.Join(c.proc, pid, "ns/mnt"), &st) != nil {
			continue
		}
		if mntns != 0 && mntns != st.Ino {
			return 0, false
		}
		mntns = st.Ino
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		below, ok := c.mountNamespace(filepath.Join(dir, e.Name()), asked)
		if !ok || mntns != 0 && below != 0 && mntns != below {
			return 0, false
		}
		mntns = max(mntns, below)
	}
	return mntns, true
}

package container

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// hostView is what this machine's /proc and cgroup mounts show.
type hostView struct {
	// proc is where procfs is mounted, cgroup2 the unified hierarchy, "" if it
	// is not.
	proc, cgroup2 string
	// netns is the host's network namespace, mntns its mount namespace, 0 when
	// unknown.
	netns uint32
	mntns uint64
	// states are those of runc and crun; nil has none.
	states *engine.States
	// bootToWall is added to CLOCK_BOOTTIME to get nanoseconds since the epoch.
	bootToWall int64
}

func newHostView(root string) hostView {
	h := hostView{proc: "/proc", states: engine.NewStates(root)}
	h.cgroup2 = h.findCgroup2()
	// Run in a container, gadget sees the host's by its first process, which some
	// hosts show to nobody.
	h.netns = uint32(cmp.Or(h.namespace("1", "net"), h.namespace("thread-self", "net")))
	h.mntns = cmp.Or(h.namespace("1", "mnt"), h.namespace("thread-self", "mnt"))
	h.bootToWall = clock(unix.CLOCK_REALTIME) - clock(unix.CLOCK_BOOTTIME)
	return h
}

// bootTime is CLOCK_BOOTTIME now, in nanoseconds.
func bootTime() uint64 { return uint64(clock(unix.CLOCK_BOOTTIME)) }

func clock(id int32) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}

// findCgroup2 returns where the unified hierarchy is mounted, which on hybrid
// hosts is not /sys/fs/cgroup.
func (h *hostView) findCgroup2() string {
	file, err := os.Open(filepath.Join(h.proc, "self/mountinfo"))
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// ID parent major:minor root mountpoint options [optional…] - type source options
		mount, fs, _ := strings.Cut(lines.Text(), " - ")
		if fields := strings.Fields(mount); strings.HasPrefix(fs, "cgroup2 ") && len(fields) > 4 {
			return fields[4]
		}
	}
	return ""
}

// namespace returns the number of a process's namespace of that kind, 0 when it
// cannot be read.
func (h *hostView) namespace(pid, kind string) uint64 {
	link, err := os.Readlink(filepath.Join(h.proc, pid, "ns", kind))
	if err != nil {
		return 0
	}
	number, _ := strings.CutPrefix(link, kind+":[")
	n, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// identify says which container a namespace belongs to. When the process seen in
// it has ended there is only what the kernel told of its cgroup.
func (h *hostView) identify(s *sighting, ended bool) (identity, bool) {
	var cgroups []byte
	if !ended {
		cgroups, _ = os.ReadFile(h.path(s.PID, "cgroup")) // It may have ended just now.
	}
	id, ok := identifyCgroups(cgroups)
	if !ok {
		id, ok = identifyPath(s.cgroupPath())
		id.path = "" // Only the end of it is known.
	}
	made, found := h.maker(s, ended)
	if ok {
		id.source = fromCgroup
		if found && made.ID == id.id {
			id.bundle, id.namespace = made.Bundle, made.Namespace
		}
		return id, true
	}
	if found {
		return identity{
			runtime: made.Runtime, id: made.ID, namespace: made.Namespace, bundle: made.Bundle,
			path: cgroupNamed(cgroups, made.ID), source: fromCommand,
		}, true
	}
	if id, ok := h.stated(s, cgroups); ok {
		return id, true
	}
	return s.beingMade()
}

// container is what can be told of a container without asking its runtime.
func (h *hostView) container(s *sighting, id identity) *event.Container {
	c := &event.Container{
		Runtime: id.runtime, ID: id.id, Name: abbreviate(id.id),
		PID: s.PID, MntNS: s.MntNS,
		CgroupID: s.CgroupID, CgroupPath: id.path, Source: id.source,
	}
	h.locate(c, s.NetNS)
	if s.Started != 0 {
		c.StartedAt = int64(s.Started) + h.bootToWall
	}
	// The process may be in a cgroup below the container's, or not yet in it.
	var st unix.Stat_t
	if h.cgroup2 != "" && id.path != "" && unix.Stat(filepath.Join(h.cgroup2, id.path), &st) == nil {
		c.CgroupID = st.Ino
	}
	return c
}

// locate says in which network namespace a container is.
func (h *hostView) locate(c *event.Container, netns uint32) {
	c.NetNS, c.HostNetwork = netns, h.netns != 0 && netns == h.netns
}

// scan lists the mount namespaces of this machine from /proc, each with its oldest
// process. It is for where the tracker cannot be: it costs several system calls a
// process and cannot tell namespaces apart that have the same number.
func (h *hostView) scan() ([]sighting, error) {
	entries, err := os.ReadDir(h.proc)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	oldest := map[uint64]sighting{}
	for _, e := range entries {
		pid, err := strconv.ParseUint(e.Name(), 10, 32)
		if err != nil {
			continue
		}
		s := sighting{Kind: seen, PID: uint32(pid), Boot: bootTime(), MntNS: h.namespace(e.Name(), "mnt")}
		if s.MntNS == 0 {
			continue // Gone meanwhile, or not ours to see.
		}
		s.NetNS = uint32(h.namespace(e.Name(), "net"))
		s.Started = h.startTime(e.Name())
		if old, ok := oldest[s.MntNS]; !ok || s.Started < old.Started {
			oldest[s.MntNS] = s
		}
	}
	return slices.Collect(maps.Values(oldest)), nil
}

// startTime returns when a process was started, in nanoseconds since boot, 0 when
// it cannot be read.
func (h *hostView) startTime(pid string) uint64 {
	return h.startTicks(pid) * tick
}

// tick is the unit of startTicks in nanoseconds: USER_HZ is 100 on all that Linux
// runs on.
const tick = 1e9 / 100

// startTicks is startTime in the kernel's unit.
func (h *hostView) startTicks(pid string) uint64 {
	fields := h.stat(pid)
	if len(fields) <= statStart {
		return 0
	}
	ticks, err := strconv.ParseUint(fields[statStart], 10, 64)
	if err != nil {
		return 0
	}
	return ticks
}

// Indexes of fields in the answer of stat (proc(5) counts from 1; the state, number
// 3, is the first here).
const (
	statParent = 4 - 3
	statStart  = 22 - 3
)

// stat returns the fields of /proc/PID/stat that follow the program's name, nil
// when it cannot be read.
func (h *hostView) stat(pid string) []string {
	stat, err := os.ReadFile(filepath.Join(h.proc, pid, "stat"))
	if err != nil {
		return nil
	}
	// The name, in parentheses, may have spaces and parentheses.
	return strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
}

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/internal/event"
)

// checkEvery is how often it is looked whether the set of those chosen is full.
const checkEvery = time.Second

// Options say which processes are of interest. The zero value chooses none, for a
// Table that only knows units and cgroups.
type Options struct {
	Choice Choice
	// Types caches the kernel's types, nil is a cache of Start's own. GivenTypes
	// stand for those of a kernel that does not describe itself.
	Types      *btf.Cache
	GivenTypes *btf.Spec
	// Notice is called with what people should know and what is no reason to stop,
	// one sentence each, from any goroutine.
	Notice func(string)
	// Log receives what happens inside; nil is silent.
	Log *slog.Logger
}

// Table knows the processes of this machine until it is closed. Its methods may be
// called from any goroutine.
type Table struct {
	opts   Options
	proc   string
	mounts mounts
	// tracker is nil for a table that looks into /proc every time.
	tracker *tracker
	// filters is true when the tracker's set has all that are wanted.
	filters bool
	cgroups *cgroups
	// older are the chosen processes that the tracker has not seen begin, as they
	// were then: for events that are read after their end.
	older   map[uint32]answer
	slots   [slots]atomic.Pointer[answer]
	running sync.WaitGroup
	stop    context.CancelFunc
}

// answer is what is known of a process.
type answer struct {
	pid uint32
	// changed is what the tracker had counted for the slot when it was asked.
	changed      uint32
	unit, cgroup string
	member       bool
}

// Start begins to follow processes. When it returns, those chosen that exist are in
// the set, and what is new gets into it. It needs root, or CAP_BPF and CAP_PERFMON;
// the error is [ErrNoTracker] when the binary has no tracker.
func Start(o Options) (*Table, error) {
	t := Read(o.Choice)
	if o.Notice != nil {
		t.opts.Notice = o.Notice
	}
	if o.Log != nil {
		t.opts.Log = o.Log
	}
	choice := &t.opts.Choice
	t.filters = !choice.byCgroup() || t.mounts.decides(choice)
	if !t.filters {
		t.opts.Log.Info("units and cgroups are told apart in user space: they are in a hierarchy of cgroup v1")
	}
	var err error
	if t.tracker, err = loadTracker(&o, choice.byCgroup() && t.filters); err != nil {
		return nil, err
	}
	if err := t.survey(); err != nil {
		return nil, errors.Join(err, t.tracker.close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.stop = cancel
	t.running.Go(t.learn)
	t.running.Go(func() { t.check(ctx) })
	return t, nil
}

// Read makes a table that needs no eBPF. It knows the processes that exist, one
// look into /proc for each question, and no command's descendants.
func Read(c Choice) *Table {
	t := &Table{proc: "/proc", cgroups: newCgroups(), older: map[uint32]answer{}, stop: func() {}}
	t.opts.Choice = c
	t.opts.Notice = func(string) {}
	t.opts.Log = slog.New(slog.DiscardHandler)
	// Without mountinfo nothing can be said of hierarchies; /proc/PID/cgroup can.
	t.mounts, _ = findMounts(t.proc + "/self/mountinfo")
	return t
}

// survey learns the cgroups that exist and takes in those who are chosen.
func (t *Table) survey() error {
	choice := &t.opts.Choice
	if choice.Command != 0 {
		if err := t.follow(choice.Command); err != nil {
			return err
		}
	}
	if t.mounts.unified == "" {
		return nil
	}
	var errs []error
	err := walk(t.mounts.unified, func(id uint64, path, dir string) {
		if t.cgroups.add(id, choice, path).wanted && t.filters {
			errs = append(errs, t.include(id, path, dir))
		}
	})
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	if choice.byCgroup() && t.filters && t.cgroups.matches() == 0 {
		t.opts.Notice("no unit or cgroup matches yet; waiting")
	}
	return nil
}

// follow makes a process one from which the chosen descend.
func (t *Table) follow(pid uint32) error {
	file, err := os.ReadFile(t.path(pid, "cgroup"))
	if err != nil {
		return fmt.Errorf("follow process %d: %w", pid, err)
	}
	path := ownPath(file)
	t.older[pid] = answer{unit: event.UnitOf(path), cgroup: path}
	return t.tracker.include(pid, descends)
}

// include chooses a cgroup, and the processes that are in it.
func (t *Table) include(id uint64, path, dir string) error {
	// First the cgroup: whoever is forked from now on is seen by the kernel.
	if err := t.tracker.cgroups.Put(id, uint32(1)); err != nil {
		return fmt.Errorf("choose cgroup %s: %w", dir, err)
	}
	pids, err := os.ReadFile(dir + "/cgroup.procs")
	if err != nil {
		return nil // Gone meanwhile, or a threaded one, whose processes are above.
	}
	for line := range bytes.Lines(pids) {
		pid, err := strconv.ParseUint(strings.TrimSpace(string(line)), 10, 32)
		if err != nil || pid == 0 {
			continue // 0 is a process of another pid namespace.
		}
		t.older[uint32(pid)] = answer{unit: event.UnitOf(path), cgroup: path}
		if err := t.tracker.include(uint32(pid), inCgroup); err != nil {
			return err
		}
	}
	return nil
}

// learn takes in the cgroups that are made, until the table is closed.
func (t *Table) learn() {
	for {
		m, err := t.tracker.next()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			t.opts.Log.Error("read process tracker", "error", err)
			return
		}
		if g := t.cgroups.add(m.Cgroup, &t.opts.Choice, m.path()); g.wanted || !t.opts.Choice.byCgroup() {
			continue
		}
		if err := t.tracker.cgroups.Delete(m.Cgroup); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			t.opts.Log.Warn("leave out cgroup", "path", m.path(), "error", err)
		}
		if err := t.tracker.exclude(m.Cgroup); err != nil {
			t.opts.Log.Warn("leave out processes", "cgroup", m.path(), "error", err)
		}
	}
}

// check says so when there are more chosen processes than the set has room for.
func (t *Table) check(ctx context.Context) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if t.tracker.refused() > 0 {
			t.opts.Notice(fmt.Sprintf("more than %d processes are chosen: events of some are missing", t.tracker.members.MaxEntries()))
			return
		}
	}
}

// Close stops following. What is known can still be asked for.
func (t *Table) Close() error {
	if t.tracker == nil {
		return nil
	}
	t.stop()
	err := t.tracker.close()
	t.running.Wait()
	return err
}

// Filter is the map with the process ids of those chosen, for the gadget to filter
// by in the kernel; nil when only [Table.Member] can tell. It belongs to the table.
func (t *Table) Filter() *ebpf.Map {
	if t.tracker == nil || !t.filters {
		return nil
	}
	return t.tracker.members
}

// Member says whether a process was chosen.
func (t *Table) Member(pid uint32) bool { return t.lookup(pid).member }

// Place is the unit and the cgroup of a process, "" when it has none or nothing is
// known of it.
func (t *Table) Place(pid uint32) (unit, cgroup string) {
	a := t.lookup(pid)
	return a.unit, a.cgroup
}

// lookup finds out what is known of a process. It allocates and asks the kernel
// when the process is new or has moved.
func (t *Table) lookup(pid uint32) *answer {
	if t.tracker == nil {
		a := &answer{pid: pid}
		t.look(a)
		return a
	}
	slot := &t.slots[pid%slots]
	// Before the question: what changes after it makes the answer an old one.
	changed := atomic.LoadUint32(&t.tracker.changed[pid%slots])
	if a := slot.Load(); a != nil && a.pid == pid && a.changed == changed {
		return a
	}
	a := &answer{pid: pid, changed: changed}
	t.ask(a)
	slot.Store(a)
	return a
}

// ask asks the kernel.
func (t *Table) ask(a *answer) {
	var p known
	if err := t.tracker.processes.Lookup(a.pid, &p); err != nil {
		// Older than the tracker, or so old that the kernel's list has lost it.
		var why uint32
		a.member = t.tracker.members.Lookup(a.pid, &why) == nil && why&descends != 0
		t.look(a)
		if old, ok := t.older[a.pid]; ok && a.cgroup == "" { // It has ended.
			a.unit, a.cgroup, a.member = old.unit, old.cgroup, true
		}
		return
	}
	a.member = p.Descends != 0
	g := t.cgroups.of(p.Cgroup)
	if g == nil || g.path == "/" && t.mounts.legacy() {
		t.look(a)
		return
	}
	a.unit, a.cgroup, a.member = g.unit, g.path, a.member || g.wanted
}

// look looks into /proc. Of a process that is gone there is nothing to see.
func (t *Table) look(a *answer) {
	if a.pid == 0 {
		return
	}
	file, err := os.ReadFile(t.path(a.pid, "cgroup"))
	if err != nil {
		return
	}
	a.cgroup = ownPath(file)
	a.unit = event.UnitOf(a.cgroup)
	a.member = a.member || t.opts.Choice.matches(a.cgroup)
}

// Descendants says whether anything lives that descends from the chosen command,
// which itself may have ended. Without the tracker nobody knows.
func (t *Table) Descendants() bool {
	if t.tracker == nil {
		return false
	}
	var pid, why uint32
	members := t.tracker.members.Iterate()
	for members.Next(&pid, &why) {
		if why&descends != 0 && t.alive(pid) {
			return true
		}
	}
	// Cut short because they come and go: there are some.
	return members.Err() != nil
}

// alive says whether a process has not ended: one that waits for its parent has.
func (t *Table) alive(pid uint32) bool {
	stat, err := os.ReadFile(t.path(pid, "stat"))
	if err != nil {
		return false
	}
	// The name of the program, in parentheses, may have spaces and parentheses.
	state := bytes.TrimLeft(stat[bytes.LastIndexByte(stat, ')')+1:], " ")
	return len(state) > 0 && state[0] != 'Z' && state[0] != 'X'
}

func (t *Table) path(pid uint32, file string) string {
	return t.proc + "/" + strconv.FormatUint(uint64(pid), 10) + "/" + file
}

package uprobe

import (
	"context"
	"maps"
	"os"
	"sync/atomic"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container"
)

const (
	// rootSoon and rootLate are how often a container is looked at that does not
	// have a root directory of its own yet; rootLate when it is older than a second.
	// One that does not get any until rootNever has the host's.
	rootSoon  = 5 * time.Millisecond
	rootLate  = 100 * time.Millisecond
	rootNever = 10 * time.Second
	// again is for how long a file that is mapped over and over is not looked at:
	// another file may get its number.
	again = time.Second
	// maxFiles is how many files of a unit are remembered, and maxAttached to how
	// many of them one program is attached.
	maxFiles    = 4096
	maxAttached = 256
	// maxRoots is how many root directories of a unit's processes are searched.
	maxRoots = 64
)

// unit is a mount namespace whose processes are of interest. It belongs to its own
// goroutine; the first fields are for all.
type unit struct {
	f *Follower
	// space does not change, apart from what is known of the container.
	space     container.Space
	container atomic.Pointer[event.Container]
	// jobs are mappings of its processes; kick asks for another look at all.
	jobs chan mapping
	kick chan struct{}
	// looked is closed after the first look; searched is true when there was
	// something to look at.
	looked   chan struct{}
	searched atomic.Bool
	stop     context.CancelFunc

	since time.Time
	// ran is true when a program of the container's own has been started in it.
	ran bool
	// roots are the root directories that have been searched: more than one when
	// processes change theirs.
	roots map[directoryID]bool
	// recent are files by what records of the kernel say of them.
	recent map[recordID]time.Time
	// located are those of which each mapping counts.
	located map[recordID]bool
	// seen are files, and the programs that are for them.
	seen map[fileID][]*probe
	// found counts the files that were found for a program, tidied ones left out.
	found map[*probe]int
}

// recordID is a file as a mapping has it.
type recordID struct {
	major, minor uint32
	inode        uint64
}

func newUnit(f *Follower, s container.Space) *unit {
	u := &unit{
		f: f, space: s,
		jobs: make(chan mapping, 256), kick: make(chan struct{}, 1), looked: make(chan struct{}),
		since: time.Now(), ran: s.Container == nil,
		roots: map[directoryID]bool{}, recent: map[recordID]time.Time{}, located: map[recordID]bool{},
		seen: map[fileID][]*probe{}, found: map[*probe]int{},
	}
	u.container.Store(s.Container)
	if s.Container != nil && s.Container.StartedAt != 0 {
		u.since = time.Unix(0, s.Container.StartedAt)
	}
	return u
}

// same says that a namespace is the unit's, and not another one with its number. One
// that turns out to be a container's is another, as its files are yet to come.
func (u *unit) same(s container.Space) bool {
	return (u.container.Load() == nil) == (s.Container == nil) &&
		(u.space.Generation == s.Generation || u.space.Generation == 0 || s.Generation == 0)
}

// String names the unit for people.
func (u *unit) String() string {
	if c := u.container.Load(); c != nil {
		return "container " + c.Name
	}
	return "the host"
}

// offer gives the unit a mapping to look at. It does not block, and is for all
// goroutines.
func (u *unit) offer(m mapping) {
	select {
	case u.jobs <- m:
	default:
		u.rescan()
	}
}

// rescan makes the unit look at all its processes again. It does not block, and is
// for all goroutines.
func (u *unit) rescan() {
	select {
	case u.kick <- struct{}{}:
	default:
	}
}

// run is the unit's goroutine. The processes are those that it has now.
func (u *unit) run(ctx context.Context, pids []int) {
	defer u.f.registry.leave(u)
	u.look(pids)
	close(u.looked)
	timer := time.NewTimer(rootSoon)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-u.jobs:
			u.ran = true
			u.mapped(&m)
		case <-u.kick:
			u.lookAgain()
		case <-timer.C:
			wait := u.awaitRoot()
			if wait == 0 {
				u.tidy()
				wait = u.f.tidyEvery
			}
			timer.Reset(wait)
		}
	}
}

// awaitRoot looks whether a container has its own root directory by now. It returns
// when to look again, 0 for not at all.
func (u *unit) awaitRoot() time.Duration {
	if len(u.roots) > 0 {
		return 0
	}
	age := time.Since(u.since)
	u.ran = u.ran || age > rootNever
	if u.searchRoot(int(u.space.PID)); len(u.roots) > 0 {
		u.lookAgain()
		return 0
	}
	if age > time.Second {
		return rootLate
	}
	return rootSoon
}

// lookAgain looks at everything once more.
func (u *unit) lookAgain() {
	all, err := processes()
	if err != nil {
		u.f.log.Warn("look for processes", "error", err)
	}
	u.look(all[u.space.MntNS])
}

// look looks at everything: what the dynamic loader would find, and what the
// processes have mapped.
func (u *unit) look(pids []int) {
	u.searchRoot(append([]int{int(u.space.PID)}, pids...)...)
	if len(u.roots) == 0 {
		return // The processes are those of a container runtime.
	}
	for _, pid := range pids {
		// One that has ended has nothing mapped.
		_ = mappingsOf(pid, func(m mapping) { u.mapped(&m) })
	}
}

// openRoot opens the root directory of the first of these processes that is there,
// nil when none is.
func (u *unit) openRoot(pids ...int) *root {
	if u.space.MntNS == u.f.own {
		pids = append([]int{os.Getpid()}, pids...)
	}
	for _, pid := range pids {
		r, err := openRoot(pid)
		if err != nil {
			continue
		}
		// Asked for after the fact, as numbers of processes are reused.
		if namespaceOf(pid) == u.space.MntNS {
			return r
		}
		r.close()
	}
	return nil
}

// searchRoot attaches to what is there before any process uses it, unless that has
// been done.
func (u *unit) searchRoot(pids ...int) {
	r := u.openRoot(pids...)
	if r == nil {
		return
	}
	defer r.close()
	id, err := r.id()
	// A container that is being made sees the host's files until it gets its own.
	if err != nil || u.roots[id] || len(u.roots) >= maxRoots || !u.ran && u.f.hostRoots[id] {
		return
	}
	u.roots[id] = true
	defer u.searched.Store(true)
	paths := map[string][]*probe{}
	libraries := map[string][]string{}
	for _, p := range u.f.probes {
		t := &p.target
		if t.absolute() {
			paths[t.File] = append(paths[t.File], p)
			continue
		}
		if _, ok := libraries[t.File]; !ok {
			libraries[t.File] = findLibrary(r, t.File)
		}
		for _, name := range libraries[t.File] {
			paths[name] = append(paths[name], p)
		}
	}
	for name, probes := range paths {
		u.openNamed(r, name, probes)
	}
}

// openNamed attaches programs to a file that they name.
func (u *unit) openNamed(r *root, name string, probes []*probe) {
	file, err := r.open(name)
	if err != nil {
		u.f.log.Debug("no file for a uprobe", "file", name, "in", u.String(), "error", err)
		return
	}
	defer file.Close()
	c := &candidate{file: file, path: name}
	for _, p := range probes {
		u.attach(p, c, nil)
	}
}

// tidy gives up files that are neither where they were nor in use: as long as they
// are attached, they keep their place on the disk.
func (u *unit) tidy() {
	places := u.f.registry.places(u)
	if len(places) == 0 {
		return
	}
	all, err := processes()
	if err != nil {
		u.f.log.Warn("look for processes", "error", err)
		return
	}
	pids := all[u.space.MntNS]
	r := u.openRoot(append([]int{int(u.space.PID)}, pids...)...)
	if r == nil {
		return
	}
	defer r.close()
	maps.DeleteFunc(places, func(p place, path string) bool { return u.f.registry.isAt(r, path, p.inode) })
	if len(places) == 0 {
		return
	}
	// The number alone: in containers the kernel may show another device.
	running := map[uint64]bool{}
	for _, pid := range pids {
		_ = mappingsOf(pid, func(m mapping) { running[m.inode] = true })
	}
	for p := range places {
		if !running[p.inode.number] {
			u.f.registry.drop(u, p)
			u.found[p.probe]--
		}
	}
}

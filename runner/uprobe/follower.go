package uprobe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/container"
)

const (
	// settleWithin is how long Start waits for the names of containers, lookWithin
	// how long for their files.
	settleWithin = 3 * time.Second
	lookWithin   = 10 * time.Second
	// pollEvery is how often processes are looked at where perf events are refused.
	pollEvery = time.Second
	// busyWithin is the time between records that makes them many, and batchFor how
	// long they are then left to gather.
	busyWithin = 10 * time.Millisecond
	batchFor   = 5 * time.Millisecond
	// tidyEvery is how often it is looked whether files are still of use.
	tidyEvery = time.Minute
	// reportAfter is how long after a change people are told of it.
	reportAfter = 300 * time.Millisecond
)

// Program is a loaded program of one of the kinds of [plan.IsUser].
type Program struct {
	Plan   *plan.Program
	Loaded *ebpf.Program
}

// probe is a program with its target.
type probe struct {
	plan   *plan.Program
	loaded *ebpf.Program
	target target
	// told and missed are what people know: that it was attached nowhere, and that
	// it still is.
	told, missed bool
}

// Namespaces lists the mount namespaces whose events are wanted, as
// [container.Table.Spaces] does.
type Namespaces interface {
	Spaces() (spaces []container.Space, settled bool)
}

// Options say what to attach and where.
type Options struct {
	Programs []Program
	// Maps of the gadget, of which those of libbpf's usdt.bpf.h are filled.
	Maps map[string]*ebpf.Map
	// Namespaces are the units of the search, Changed tells of news of them.
	Namespaces Namespaces
	Changed    <-chan struct{}
	// Last is true when the gadget has no other programs: then it is an error if
	// none of these can ever be attached on this host.
	Last bool
	// Host says that processes of the host are of interest.
	Host bool
	// Loading is how programs of this package's own are loaded.
	Loading ebpf.CollectionOptions
	// Notice is called with what people should know and what is no reason to stop,
	// one sentence each, from any goroutine. It must not block.
	Notice func(string)
	// Log receives what happens inside; nil is silent.
	Log *slog.Logger

	// For tests: what the kernel can, nil asks it; poll does without perf events;
	// tidy is instead of tidyEvery.
	can  *abilities
	poll bool
	tidy time.Duration
}

// Follower keeps programs attached to what containers have, until it is closed.
type Follower struct {
	opts     Options
	log      *slog.Logger
	probes   []*probe
	registry *registry
	// watch is nil where perf events are refused.
	watch *mapWatch
	// own is our mount namespace, hostRoots are the root directories that containers
	// have before they get their own.
	own       uint64
	hostRoots map[directoryID]bool
	tidyEvery time.Duration

	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex
	units  map[uint64]*unit
	warned map[warned]bool
}

// Start attaches programs to everything that exists, and then follows what comes.
// It lives until Close, whatever becomes of ctx.
func Start(ctx context.Context, o Options) (*Follower, error) {
	f, err := newFollower(o)
	if err != nil {
		return nil, err
	}
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f.cancel = cancel
	f.settle(ctx)
	if f.watch != nil {
		f.running.Go(f.read)
	}
	f.sync(inner)
	f.awaitUnits(ctx)
	if o.Last && o.Host {
		if err := f.hopeless(); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	f.summary()
	f.report()
	f.running.Go(func() { f.run(inner) })
	return f, nil
}

func newFollower(o Options) (*Follower, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	f := &Follower{
		opts: o, log: o.Log, units: map[uint64]*unit{}, warned: map[warned]bool{},
		own: namespaceOf(os.Getpid()), hostRoots: map[directoryID]bool{},
		tidyEvery: cmp.Or(o.tidy, tidyEvery),
	}
	for _, p := range o.Programs {
		t, err := newTarget(p.Plan.Kind, p.Plan.Hook)
		if err != nil {
			return nil, err
		}
		f.probes = append(f.probes, &probe{plan: p.Plan, loaded: p.Loaded, target: t})
	}
	// Run in a container, gadget sees the host's by its first process.
	for _, pid := range []int{os.Getpid(), 1} {
		if r, err := openRoot(pid); err == nil {
			if id, err := r.id(); err == nil {
				f.hostRoots[id] = true
			}
			r.close()
		}
	}
	var err error
	f.registry = &registry{log: o.Log, attached: map[place]*attachment{}, news: make(chan struct{}, 1)}
	can := kernelAbilities()
	if o.can != nil {
		can = *o.can
	}
	f.registry.attacher.multi = can.multi
	if f.registry.attacher.specs, err = newSpecs(o.Maps, can.cookies); err != nil {
		return nil, err
	}
	if f.registry.inodes, err = newInodes(o.Loading); err != nil {
		o.Log.Info("inodes below file systems are those that /proc shows", "reason", err)
	}
	if o.poll {
		return f, nil
	}
	if f.watch, err = watchMappings(); err != nil {
		o.Log.Info("looking for new processes and libraries every second", "reason", err)
	}
	return f, nil
}

// settle waits until it is known whose the namespaces are, but not for ever.
func (f *Follower) settle(ctx context.Context) {
	limit := time.After(settleWithin)
	for {
		if _, settled := f.opts.Namespaces.Spaces(); settled {
			return
		}
		select {
		case <-f.opts.Changed:
		case <-ctx.Done():
			return
		case <-limit:
			f.log.Info("uprobes do not wait any longer for the names of containers")
			return
		}
	}
}

// sync makes units for namespaces that are new, and ends those of namespaces that
// are gone.
func (f *Follower) sync(ctx context.Context) {
	spaces, _ := f.opts.Namespaces.Spaces()
	fresh := f.renew(spaces)
	if len(fresh) == 0 {
		return
	}
	all, err := processes()
	if err != nil {
		f.log.Warn("look for processes", "error", err)
	}
	for _, u := range fresh {
		var inner context.Context
		inner, u.stop = context.WithCancel(ctx)
		f.running.Go(func() { u.run(inner, all[u.space.MntNS]) })
	}
}

// renew brings the list of units up to date, and returns the new ones.
func (f *Follower) renew(spaces []container.Space) (fresh []*unit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	alive := make(map[uint64]bool, len(spaces))
	for _, s := range spaces {
		alive[s.MntNS] = true
		if old := f.units[s.MntNS]; old != nil {
			if old.same(s) {
				old.container.Store(s.Container)
				continue
			}
			old.stop()
		}
		u := newUnit(f, s)
		f.units[s.MntNS] = u
		fresh = append(fresh, u)
	}
	for number, u := range f.units {
		if !alive[number] {
			u.stop()
			delete(f.units, number)
		}
	}
	return fresh
}

// awaitUnits waits until all units have looked at what they have.
func (f *Follower) awaitUnits(ctx context.Context) {
	f.mu.Lock()
	units := make([]*unit, 0, len(f.units))
	for _, u := range f.units {
		units = append(units, u)
	}
	f.mu.Unlock()
	limit := time.After(lookWithin)
	for _, u := range units {
		select {
		case <-u.looked:
		case <-ctx.Done():
			return
		case <-limit:
			f.opts.Notice(fmt.Sprintf("the files of %s do not answer: uprobes will be attached there when they do", u))
			return
		}
	}
}

// read passes the kernel's records on until the watch is stopped. On a machine that
// starts many programs it waits for some of them together: waking up costs more than
// reading.
func (f *Follower) read() {
	last := time.Now()
	for f.watch.wait() {
		if time.Since(last) < busyWithin {
			time.Sleep(batchFor)
		}
		last = time.Now()
		if lost := f.watch.read(f.dispatch()); lost {
			f.rescan()
		}
	}
}

// dispatch returns what gives a mapping to the unit of its process, for the records
// of one moment: a process has some of them.
func (f *Follower) dispatch() func(m mapping) {
	var (
		pid int
		u   *unit
	)
	return func(m mapping) {
		if m.pid != pid {
			pid = m.pid
			number := namespaceOf(pid)
			f.mu.Lock()
			u = f.units[number]
			f.mu.Unlock()
		}
		if u != nil {
			u.offer(m)
		}
	}
}

// rescan makes all units look at their processes again.
func (f *Follower) rescan() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.units {
		u.rescan()
	}
}

// run follows the namespaces.
func (f *Follower) run(ctx context.Context) {
	var poll <-chan time.Time
	if f.watch == nil {
		tick := time.NewTicker(pollEvery)
		defer tick.Stop()
		poll = tick.C
	}
	report := time.NewTimer(reportAfter)
	defer report.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.opts.Changed:
			f.sync(ctx)
			report.Reset(reportAfter)
		case <-f.registry.news:
			report.Reset(reportAfter)
		case <-report.C:
			f.report()
		case <-poll:
			f.rescan()
		}
	}
}

// Close detaches everything.
func (f *Follower) Close() error {
	f.cancel()
	if f.watch != nil {
		f.watch.stop()
	}
	err := within(closeWithin, &f.running)
	if err == nil && f.watch != nil {
		f.watch.close()
	}
	err = errors.Join(err, f.registry.close())
	f.registry.inodes.close()
	return err
}

package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// Defaults of [Options].
const (
	// DefaultEnrichWait is how long events wait for the name of their container.
	DefaultEnrichWait = 100 * time.Millisecond
	// DefaultTTL is for how long a container that is gone is remembered.
	DefaultTTL = 10 * time.Second
)

// Options say which containers are of interest and what to wait for. The zero
// value is for all containers of this machine and without a filter in the kernel.
type Options struct {
	// Selector chooses containers.
	Selector Selector
	// Host wants the events of the host too.
	Host bool
	// Besides says that processes are chosen, too, which [Table.Judge] does not
	// know: it drops their events, and what it drops is looked at again.
	Besides bool
	// FilterMap is kept to the mount namespaces that are wanted; see
	// [NewFilterMap]. Nil leaves filtering to [Table.Judge]. It is not needed
	// when everything is wanted; see [Options.Everything].
	FilterMap *ebpf.Map
	// Engines says where container engines are. DOCKER_HOST and CONTAINER_HOST say
	// it where it does not.
	Engines engine.Options
	// EnrichWait is how long events wait for the name of their container before
	// they come with its id; 0 is DefaultEnrichWait. With a selector that needs
	// names, they wait until a runtime has told them or all have failed.
	EnrichWait time.Duration
	// TTL is for how long containers that are gone are remembered, for late
	// events; 0 is DefaultTTL.
	TTL time.Duration

	// Types caches the kernel's types. Reading them costs 15 ms and some MB, so
	// share it with the loading of the gadget; nil is a cache of Start's own.
	Types *btf.Cache
	// GivenTypes stand for those of a kernel that does not describe itself; nil
	// for all others.
	GivenTypes *btf.Spec

	// Notice is called with what people should know and what is no reason to
	// stop, one sentence each. Changed is called after the table has changed, Event
	// for each container that comes or goes, with Created for those that are there.
	// All come from Start or the watcher's own goroutine, and must not block or
	// call Close.
	Notice  func(string)
	Changed func()
	Event   func(Event)
	// Log receives what happens inside; nil is silent.
	Log *slog.Logger
}

// Everything is true when nothing is filtered out.
func (o *Options) Everything() bool { return o.Host && o.Selector.Empty() }

// Watcher knows the containers of this machine until it is closed.
type Watcher struct {
	opts    Options
	ledger  *ledger
	tracker *tracker
	askers  *askers

	cancel  context.CancelFunc
	running sync.WaitGroup
	// learned counts the sightings taken in.
	learned uint64
	// refused is the last count of namespaces that found no room in the filter.
	refused uint64
	// silent are the engines that do not answer.
	silent map[*engine.Source]bool
	// started is when the watcher was, 0 when all that existed then is decided.
	started uint64
}

// Start begins to watch. When it returns, the filter map has all that exists and
// gets what is new; names may still be on their way. The watcher lives until
// Close, whatever becomes of ctx, so that what is in flight when a run is
// interrupted still gets its names. It needs root, or CAP_BPF and CAP_PERFMON;
// the error is [ErrNoTracker] when the binary has no tracker.
func Start(ctx context.Context, o Options) (*Watcher, error) {
	w, err := start(ctx, o, true)
	if err == nil || errors.Is(err, ErrNoTracker) {
		return w, err
	}
	slow, slowErr := start(ctx, o, false)
	if slowErr != nil {
		return nil, err
	}
	slow.opts.Log.Info("container tracker without iterator: scanning /proc instead", "error", err)
	return slow, nil
}

// start is Start; without iterate it does not need iterators of tasks.
func start(ctx context.Context, o Options, iterate bool) (*Watcher, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w := newWatcher(ctx, o)
	w.cancel = cancel
	if err := w.begin(ctx, &o, iterate); err != nil {
		cancel()
		return nil, err
	}
	return w, nil
}

// begin loads the tracker and looks at what there is.
func (w *Watcher) begin(ctx context.Context, o *Options, iterate bool) error {
	var err error
	w.opts.Types, w.opts.GivenTypes = nil, nil // not to be kept for as long as the watcher lives
	if w.tracker, err = loadTracker(o, &w.ledger.view, iterate); err != nil {
		return err
	}
	if err := w.tracker.shareAnnounced(w.ledger.table); err != nil {
		return errors.Join(err, w.tracker.close())
	}
	w.ledger.gate = &gate{filter: o.FilterMap, known: w.tracker.coll.Maps["known"]}
	if err := w.look(); err != nil {
		return errors.Join(err, w.tracker.close())
	}
	w.ledger.publish()
	w.ledger.news(w.opts.Event, true)

	sightings := make(chan sighting, 64)
	w.running.Go(func() { w.read(ctx, sightings) })
	w.running.Go(func() { w.run(ctx, sightings) })
	return nil
}

// newWatcher makes a watcher whose engines are asked until ctx ends.
func newWatcher(ctx context.Context, o Options) *Watcher {
	if o.EnrichWait == 0 {
		o.EnrichWait = DefaultEnrichWait
	}
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	if o.Event == nil {
		o.Event = func(Event) {}
	}
	o.Engines = fromEnvironment(o.Engines)
	l := newLedger(policy{selector: o.Selector, host: o.Host, besides: o.Besides, filtered: o.FilterMap != nil})
	l.ttl, l.wait, l.log = uint64(o.TTL), uint64(o.EnrichWait), o.Log
	l.view = newHostView(o.Engines.Root)
	w := &Watcher{opts: o, ledger: l, started: bootTime(), silent: map[*engine.Source]bool{}}
	w.askers = newAskers(ctx, o.Engines, func(err error) { o.Notice(err.Error()) })
	l.ask = w.askers.ask
	return w
}

// fromEnvironment completes where engines are.
func fromEnvironment(o engine.Options) engine.Options {
	o.Docker = cmp.Or(o.Docker, os.Getenv("DOCKER_HOST"))
	o.Podman = cmp.Or(o.Podman, os.Getenv("CONTAINER_HOST"))
	if o.Root == "" {
		o.Root = hostRoot()
	}
	return o
}

// hostRoot is the host's root directory where this process has another one, as in a
// container; "" for its own.
func hostRoot() string {
	if root := os.Getenv("HOST_ROOT"); root != "" {
		return root
	}
	const first = "/proc/1/root"
	var own, hosts unix.Stat_t
	if unix.Stat("/", &own) != nil || unix.Stat(first+"/", &hosts) != nil || own.Dev == hosts.Dev && own.Ino == hosts.Ino {
		return ""
	}
	return first
}

// Table is what is known. It remains valid after Close, but learns no more.
func (w *Watcher) Table() *Table { return w.ledger.table }

// Close stops watching. It does not touch the filter map.
func (w *Watcher) Close() error {
	w.cancel()
	err := w.tracker.stop()
	w.running.Wait()
	w.askers.running.Wait()
	err = errors.Join(err, w.tracker.close())
	// Nobody will learn the rest: late readers must not wait for it.
	table := w.Table()
	table.learned.Store(atomic.LoadUint64(table.announced))
	table.generation.Add(1)
	return err
}

// read passes on what the tracker sees until it is closed.
func (w *Watcher) read(ctx context.Context, out chan<- sighting) {
	for {
		s, err := w.tracker.next()
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			w.opts.Log.Error("read container tracker", "error", err)
			return
		}
		select {
		case out <- s:
		case <-ctx.Done():
			return
		}
	}
}

// run is the ledger's goroutine.
func (w *Watcher) run(ctx context.Context, sightings <-chan sighting) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-sightings:
			w.take(s)
			for range len(sightings) {
				w.take(<-sightings)
			}
		case a := <-w.askers.answers:
			w.hear(a)
		case <-timer.C:
		}
		now := bootTime()
		if now >= w.ledger.nextSweep {
			if err := w.look(); err != nil {
				w.opts.Log.Warn("look for mount namespaces", "error", err)
			}
		}
		next := w.ledger.step(now)
		w.publish()
		timer.Reset(time.Duration(max(next, now) - now))
	}
}

// take gives a sighting to the ledger.
func (w *Watcher) take(s sighting) {
	if s.Kind == dying {
		w.ledger.die(s, bootTime())
		return
	}
	w.learned++
	w.ledger.report(s, bootTime())
}

// hear gives an answer of an engine to the ledger.
func (w *Watcher) hear(a answer) {
	w.ledger.answer(a)
	switch {
	case a.err == nil:
		delete(w.silent, a.source)
	case a.source.Absent(a.err) || w.silent[a.source]:
		w.opts.Log.Debug("container engine", "error", a.err)
	default:
		w.silent[a.source] = true
		w.opts.Notice(fmt.Sprintf("%v; containers appear under their ids, everything else works", a.err))
	}
}

// look lists all living namespaces for the ledger.
func (w *Watcher) look() error {
	start := bootTime()
	all, err := w.tracker.snapshot()
	if err != nil {
		w.ledger.nextSweep = start + sweepEvery
		return err
	}
	w.ledger.sweep(all, start, bootTime())
	if n := w.tracker.refused(); n > w.refused {
		w.refused = n
		w.opts.Notice(fmt.Sprintf("more than %d mount namespaces exist: events of some containers are missing", FilterMapEntries))
	}
	return nil
}

// publish makes news visible.
func (w *Watcher) publish() {
	table := w.ledger.table
	news := w.ledger.publish()
	if table.learned.Swap(w.learned) != w.learned {
		// Readers may have waited just to learn that nothing has changed.
		table.generation.Add(1)
		news = true
	}
	if news {
		w.ledger.news(w.opts.Event, false)
		w.opts.Changed()
	}
	if w.started != 0 && !w.ledger.undecided(w.started) {
		w.started = 0
		w.greet()
	}
}

// greet says so when there is nothing to see yet.
func (w *Watcher) greet() {
	switch {
	case w.Table().Matches() > 0, w.opts.Selector.None:
	case !w.opts.Selector.Empty():
		w.opts.Notice("no container matches yet; waiting")
	case !w.opts.Host:
		w.opts.Notice("no container is running yet; waiting")
	}
}

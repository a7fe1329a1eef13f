package container

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gadget-bpf/gadget/runner/container/engine"
)

const (
	// retryEngine is how long to leave an engine alone after it did not answer.
	retryEngine = time.Second
	// maxAsks is how often an engine is asked about the same container.
	maxAsks = 3
	// findEvery is how often to look which engines are here.
	findEvery = time.Second
)

// answer is what an engine says of some containers.
type answer struct {
	source *engine.Source
	refs   []engine.Ref
	found  map[engine.Ref]engine.Info
	err    error
}

// askers has one asker for each engine that is here. Its method ask belongs to one
// goroutine.
type askers struct {
	options engine.Options
	// answers come from all of them.
	answers chan answer
	// problem is called with what cannot be asked.
	problem func(error)

	// start begins to ask an engine, running are those that do.
	start   func(*asker)
	running sync.WaitGroup
	// known by runtime and address.
	known map[string]*asker
	// found is when engines were looked for, complained what was wrong then.
	found      time.Time
	complained string
}

// newAskers makes askers that live as long as ctx.
func newAskers(ctx context.Context, o engine.Options, problem func(error)) *askers {
	s := &askers{options: o, problem: problem, answers: make(chan answer), known: map[string]*asker{}}
	s.start = func(a *asker) { s.running.Go(func() { a.run(ctx) }) }
	return s
}

// ask requests answers about a container of a runtime, "" when that is not known,
// and names those who are asked. It never blocks.
func (s *askers) ask(ref engine.Ref, runtime string) (asked []*engine.Source) {
	s.find()
	for _, a := range s.known {
		if a.source.Serves(runtime) {
			a.ask(ref)
			asked = append(asked, &a.source)
		}
	}
	return asked
}

// find starts an asker for each engine that has come.
func (s *askers) find() {
	if time.Since(s.found) < findEvery {
		return
	}
	s.found = time.Now()
	sources, err := engine.Find(s.options)
	if err != nil && err.Error() != s.complained {
		s.complained = err.Error()
		s.problem(err)
	}
	for _, source := range sources {
		name := source.Runtime + " " + source.Address
		if s.known[name] == nil {
			a := &asker{source: source, answers: s.answers, asks: map[engine.Ref]int{}, wake: make(chan struct{}, 1)}
			s.known[name] = a
			s.start(a)
		}
	}
}

// asker asks one engine, one request at a time, with all the containers that have
// gathered meanwhile: a slow engine delays its own names, nobody else's.
type asker struct {
	source  engine.Source
	answers chan<- answer

	mu sync.Mutex
	// asks counts how often each container has been asked about.
	asks map[engine.Ref]int
	wake chan struct{}
}

// ask requests an answer about a container. It never blocks.
func (a *asker) ask(ref engine.Ref) {
	a.mu.Lock()
	a.asks[ref] = 0
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// run asks until ctx ends.
func (a *asker) run(ctx context.Context) {
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		case <-retry:
		}
		refs := a.open()
		if len(refs) == 0 {
			continue
		}
		found, err := a.source.Lookup(ctx, refs)
		retry = nil
		if a.done(refs, found, err) {
			retry = time.After(retryEngine)
		}
		select {
		case a.answers <- answer{source: &a.source, refs: refs, found: found, err: err}:
		case <-ctx.Done():
			return
		}
	}
}

// open returns the containers to ask about now.
func (a *asker) open() []engine.Ref {
	a.mu.Lock()
	defer a.mu.Unlock()
	refs := make([]engine.Ref, 0, len(a.asks))
	for ref := range a.asks {
		refs = append(refs, ref)
		a.asks[ref]++
	}
	slices.SortFunc(refs, func(x, y engine.Ref) int { return strings.Compare(x.ID, y.ID) })
	return refs
}

// done takes note of an answer and says whether to ask again: some engines (CRI)
// know a container only when they have started it.
func (a *asker) done(refs []engine.Ref, found map[engine.Ref]engine.Info, err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ref := range refs {
		_, ok := found[ref]
		if ok || err != nil && a.source.Absent(err) || a.asks[ref] >= maxAsks {
			delete(a.asks, ref)
		}
	}
	return len(a.asks) > 0
}

// Runtime is a container runtime of this machine.
type Runtime struct {
	Name, Socket string
	// Version is what it says of itself; Err is why it did not.
	Version string
	Err     error
}

// Runtimes are those that are here and can be asked, and those that should be here.
func Runtimes(ctx context.Context, o engine.Options) []Runtime {
	o = fromEnvironment(o)
	sources, err := engine.Find(o)
	var found []Runtime
	if err != nil {
		found = append(found, Runtime{Name: "runtimes", Err: err})
	}
	for _, s := range sources {
		if s.Address == engine.Files {
			continue
		}
		version, err := s.Version(ctx)
		if err == nil || !s.Absent(err) {
			found = append(found, Runtime{Name: s.Runtime, Socket: s.Address, Version: version, Err: err})
		}
	}
	return found
}

package container

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// retryDocker is how long to leave docker alone after it did not answer.
	retryDocker = time.Second
	// maxAsks is how often docker is asked about the same container.
	maxAsks = 5
)

// answer is what docker says of some containers.
type answer struct {
	ids   []string
	found map[string]dockerContainer
	err   error
}

// asker asks docker for names, one request at a time, with all the ids that have
// gathered meanwhile: a slow docker delays names, nobody else.
type asker struct {
	docker  *docker
	answers chan answer

	mu sync.Mutex
	// asks counts how often each id has been asked about.
	asks map[string]int
	wake chan struct{}
}

func newAsker(d *docker) *asker {
	return &asker{docker: d, answers: make(chan answer), asks: map[string]int{}, wake: make(chan struct{}, 1)}
}

// ask requests an answer about a container. It never blocks.
func (a *asker) ask(id string) {
	a.mu.Lock()
	a.asks[id] = 0
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
		ids := a.open()
		if len(ids) == 0 {
			continue
		}
		found, err := a.docker.lookup(ctx, ids)
		retry = nil
		if a.done(ids, err) {
			retry = time.After(retryDocker)
		}
		select {
		case a.answers <- answer{ids: ids, found: found, err: err}:
		case <-ctx.Done():
			return
		}
	}
}

// open returns the ids to ask about now.
func (a *asker) open() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	ids := make([]string, 0, len(a.asks))
	for id := range a.asks {
		ids = append(ids, id)
		a.asks[id]++
	}
	slices.Sort(ids)
	return ids
}

// done takes note of an answer and says whether to ask again.
func (a *asker) done(ids []string, err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, id := range ids {
		if err == nil || a.docker.absent(err) || a.asks[id] >= maxAsks {
			delete(a.asks, id)
		}
	}
	return err != nil && len(a.asks) > 0
}

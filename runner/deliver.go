package runner

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gadget-bpf/gadget/runner/pipe"
)

// lossInterval is how often losses are looked for while the gadget runs.
const lossInterval = time.Second

// deliver runs the loops until the run ends, then stops in the order in which
// nothing is lost: programs first, then what they wrote, then what is fetched
// last, then the output.
func (r *run) deliver(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var loops errgroup.Group
	tables, endless := false, false
	var batches sync.WaitGroup
	for _, s := range r.sources {
		switch {
		case s.batch != nil:
			tables = true
			batches.Add(1)
		case s.feed == nil:
			endless = true
		}
		loops.Go(func() error {
			err := r.loop(ctx, s)
			if s.batch != nil {
				batches.Done()
			}
			if err != nil {
				cancel()
			}
			return err
		})
	}
	// A run of snapshots ends by itself, whatever containers come and go.
	if tables && !endless {
		go func() {
			batches.Wait()
			cancel()
		}()
	}
	if r.opts.Ended != nil {
		go r.awaitCommand(ctx, cancel)
	}
	r.watchLosses(ctx)

	r.links.close(r.log)
	for _, s := range r.sources {
		if s.feed != nil {
			s.feed.flush()
		}
		if s.reader == nil {
			continue
		}
		if err := s.reader.Flush(); err != nil {
			r.log.Warn("flush events", "source", s.Name, "error", err)
		}
	}
	err := loops.Wait()
	for _, s := range r.sources {
		if s.batch != nil && err == nil {
			err = s.batch.Finish(s.schedule)
		}
	}
	r.reportLosses()
	var c *crash
	if errors.As(err, &c) {
		panic(c)
	}
	if errors.Is(err, pipe.ErrEnough) {
		return nil
	}
	return err
}

// crash is the panic of a loop on its way to the goroutine of Run, so that deferred
// functions of the caller see it: a terminal may have to be put right.
type crash struct {
	value any
	stack []byte
}

func (c *crash) Error() string { return fmt.Sprintf("%v\n\n%s", c.value, c.stack) }

// loop delivers the events of one data source until there are no more.
func (r *run) loop(ctx context.Context, s *source) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &crash{v, debug.Stack()}
		}
	}()
	if s.batch != nil {
		return s.batch.Run(ctx, s.schedule)
	}
	if s.feed != nil {
		return pipe.NewStream(s.pipe, s.feed, r.out).Run()
	}
	return pipe.NewStream(s.pipe, s.reader, r.out).Run()
}

// watchLosses reports losses until ctx ends.
func (r *run) watchLosses(ctx context.Context) {
	tick := time.NewTicker(lossInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.reportLosses()
		}
	}
}

// reportLosses calls Options.Lost for what was lost since the last call.
func (r *run) reportLosses() {
	for _, s := range r.sources {
		if s.loss == nil {
			continue
		}
		if err := s.loss.read(); err != nil {
			r.log.Warn("read lost events", "source", s.Name, "error", err)
		}
		total := s.lost()
		if n := total - s.reported; n > 0 && r.opts.Lost != nil {
			r.opts.Lost(s.Name, n, total)
		}
		s.reported = total
	}
}

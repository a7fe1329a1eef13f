package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gadget-bpf/gadget/internal/detached"
	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/history"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
)

// saveEvery is how often a run writes down how far it has come, for whoever finds it
// killed.
const saveEvery = 5 * time.Second

// errAsked is the cause of the end of a run that was asked to stop.
var errAsked = errors.New("asked to stop")

// detachedRun is a detached run in its own process: its events go into the history, and
// it answers on its socket.
type detachedRun struct {
	app  *app
	opts *runOptions
	keep *history.Writer
	// forked is true when another process waits for this one to be ready.
	forked bool
	// stop ends the run for a cause, over is closed when it has ended.
	stop context.CancelCauseFunc
	over chan struct{}

	mu      sync.Mutex
	dir     *detached.Run
	sources []*plan.Source
	env     *event.Env
	live    *runner.Live
	// broken is what went wrong beside the run itself.
	broken error
}

// newDetachedRun makes this process the one of a run.
func newDetachedRun(a *app, run *detached.Run, o *runOptions, forked bool) (*detachedRun, error) {
	log, err := openRunLog(run.Log(), a.global.logFormat.String() != "json")
	if err != nil {
		return nil, err
	}
	if forked {
		a.err = log
	} else {
		a.err = io.MultiWriter(a.err, log)
	}
	a.log = newLogger(a.err, a.global)
	d := &detachedRun{app: a, opts: o, dir: run, forked: forked, over: make(chan struct{})}
	if run.State.Process, err = detached.Self(); err != nil {
		return nil, err
	}
	if d.keep, err = history.Create(run.History(), int64(o.detach.keep)); err != nil {
		return nil, explain(err).hint("--keep SIZE says how much is kept; it is %s", &o.detach.keep)
	}
	return d, run.Save()
}

// run runs the gadget and writes down what became of it.
func (d *detachedRun) run(ctx context.Context, ro runner.Options) error {
	server, err := detached.Serve(d.dir, d, d.app.log)
	if err != nil {
		return d.end(ctx, nil, err)
	}
	ctx, d.stop = context.WithCancelCause(ctx)
	defer d.stop(nil)
	ro.Out, ro.Encoder, ro.Live = d.keep, d.encoder, d.setLive
	ready := ro.Ready
	ro.Ready = func() {
		ready()
		if err := d.ready(); err != nil {
			d.mu.Lock()
			d.broken = err
			d.mu.Unlock()
			d.stop(err)
		}
	}
	saving := make(chan struct{})
	go func() {
		defer close(saving)
		d.saveNowAndThen()
	}()
	stats := d.measureAlways()
	report, err := runner.Run(ctx, d.app.gadget.plan, ro)
	d.mu.Lock()
	d.live = nil
	err = errors.Join(err, d.broken)
	d.mu.Unlock()
	close(d.over)
	<-saving
	if stats != nil {
		_ = stats.Close()
	}
	err = d.end(ctx, report, d.app.account(d.app.gadget.plan, report, err, d.opts))
	if closing := server.Close(d.dir); closing != nil {
		d.app.log.Debug("close the socket", "error", closing)
	}
	return err
}

// encoder keeps the records of a data source. The runner may ask for one several times,
// until it has found the programs that work.
func (d *detachedRun) encoder(s *plan.Source, env *event.Env) (event.Encoder, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.env = env
	number := slices.IndexFunc(d.sources, func(known *plan.Source) bool { return known.Name == s.Name })
	if number < 0 {
		number = len(d.sources)
		d.sources = append(d.sources, s)
	}
	d.sources[number] = s
	return history.NewEncoder(number, s.Layout, env), nil
}

func (d *detachedRun) setLive(live *runner.Live) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.live = live
}

// ready writes down that everything is attached, and tells whoever waits for it.
func (d *detachedRun) ready() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	text, err := history.Describe(d.sources, d.env)
	if err != nil {
		return err
	}
	if err := d.dir.SaveLayout(text); err != nil {
		return err
	}
	now := time.Now()
	s := d.dir.State
	s.Status, s.Started = detached.Running, &now
	for _, p := range d.live.Programs() {
		s.Programs = append(s.Programs, detached.Program{Name: p.Name, Type: p.Kind, Hook: p.Hook, ID: p.ID})
	}
	d.count()
	if err := d.dir.Save(); err != nil {
		return err
	}
	if !d.forked {
		return d.opts.ready.tell(d.app, d.dir)
	}
	pipe := os.NewFile(readyPipe, "ready")
	_, _ = io.WriteString(pipe, "ready\n") // whoever waited may be gone
	_ = pipe.Close()
	// Nobody's directory is kept busy.
	return os.Chdir("/")
}

// count brings the counters of the state up to date while the run goes on.
func (d *detachedRun) count() {
	if d.live == nil {
		return
	}
	if report := d.live.Report(); report != nil {
		d.dir.State.Sources = sourceCounts(report)
	}
	d.countHistory()
}

func (d *detachedRun) countHistory() {
	kept := d.keep.Stats()
	d.dir.State.History = &detached.History{Records: kept.Records, Overwritten: kept.Overwritten, Bytes: kept.Bytes, Capacity: kept.Capacity}
}

// saveNowAndThen writes the state down until the run is over, when there is news.
func (d *detachedRun) saveNowAndThen() {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-d.over:
			return
		case <-tick.C:
		}
		d.mu.Lock()
		before := d.dir.State.Sources
		d.count()
		if !slices.Equal(before, d.dir.State.Sources) {
			if err := d.dir.Save(); err != nil {
				d.app.log.Warn(err.Error())
			}
		}
		d.mu.Unlock()
	}
}

// Stop implements detached.Subject.
func (d *detachedRun) Stop() {
	d.mu.Lock()
	if s := d.dir.State; !s.Status.Ended() {
		s.Status = detached.Stopping
	}
	d.mu.Unlock()
	d.stop(errAsked)
}

// end writes the last state, and returns err.
func (d *detachedRun) end(ctx context.Context, report *runner.Report, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.dir.State
	now := time.Now()
	s.Ended = &now
	code := exitOK
	switch cause := context.Cause(ctx); {
	case err != nil:
		s.Status, s.Error = detached.Failed, explain(err).Error()
		code = explain(err).code
	case errors.Is(cause, errInterrupted):
		s.Status, code = detached.Stopped, exitInterrupted
	case errors.Is(cause, errAsked):
		s.Status = detached.Stopped
	default:
		s.Status = detached.Finished
	}
	number := int(code)
	s.ExitCode = &number
	d.countHistory()
	if report != nil {
		s.Sources = sourceCounts(report)
	}
	s.Cost = nil
	return errors.Join(err, d.keep.Close(), d.dir.Save())
}

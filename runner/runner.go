// Package runner runs a gadget: it loads the programs of a plan into the kernel,
// attaches them, and takes their events through the pipe to a writer.
//
//	Run     the whole life of a run, in the order it happens
//	load    plan and options → maps and programs in the kernel
//	attach  one case per program type
//	pipe    ring buffer → container → filter → text (package runner/pipe)
//	losses  what the kernel had to drop, counted where it happens
//	stop    detach → drain → flush → report
package runner

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sync/errgroup"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/pipe"
)

// Defaults of [Options].
const (
	// DefaultBufferSize is the size of a ring buffer. Smaller ones lose events
	// of busy machines; it is mapped twice and counts against memory.
	DefaultBufferSize = 4 << 20
	// lossInterval is how often losses are looked for while the gadget runs.
	lossInterval = time.Second
)

// Options of a run. The zero value runs the gadget with its own defaults and
// throws its events away.
type Options struct {
	// Params by [plan.Param.Key], as text. Unknown keys are an error.
	Params map[string]string
	// BufferSize of each ring buffer in bytes, rounded up to a power of two; 0
	// is DefaultBufferSize. Perf buffers get their share for each CPU.
	BufferSize int
	// Host shows processes of the host too; with a selector, those and the
	// containers that match.
	Host bool
	// Selector chooses containers; the zero value matches all.
	Selector container.Selector
	// DockerHost overrides where docker listens, as DOCKER_HOST does.
	DockerHost string

	// Out receives the text of all data sources in whole events; nil discards.
	Out io.Writer
	// Encoder makes the encoder of a data source; nil or a nil encoder mutes it.
	Encoder func(*plan.Source, *event.Env) (event.Encoder, error)
	// Filter makes the filter of a data source; nil keeps all events.
	Filter func(*plan.Source, *event.Env) (func(*event.Record) bool, error)
	// MaxEvents ends the run after so many events; 0 is no limit.
	MaxEvents uint64

	// Ready is called once when all programs are attached.
	Ready func()
	// Lost is called, at most once a second for each data source, when events
	// were lost: how many since the last call, how many in all.
	Lost func(source string, n, total uint64)
	// Notice is called with things that the user should know and that are no
	// errors, such as that no container matches yet.
	Notice func(string)
	// Log receives what happens inside; nil is silent.
	Log *slog.Logger
}

// Report says what became of the events.
type Report struct {
	Sources []SourceReport
}

// SourceReport counts the events of one data source. Produced events are those
// delivered, filtered in user space, or lost.
type SourceReport struct {
	Name                      string
	Delivered, Filtered, Lost uint64
	// LossUnknown is true when the gadget has no loss counter and none could be
	// added, so that Lost means nothing.
	LossUnknown bool
}

// Lost is the sum over all data sources.
func (r *Report) Lost() uint64 {
	var n uint64
	for i := range r.Sources {
		n += r.Sources[i].Lost
	}
	return n
}

// Run loads and attaches the gadget and delivers its events until ctx ends, the
// limit is reached or the output cannot be written. Then it detaches, drains
// what is in flight, and reports. The report is valid with an error too, when
// the run had begun.
func Run(ctx context.Context, p *plan.Plan, o Options) (*Report, error) {
	r := &run{plan: p, opts: o, log: o.Log}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if o.Out == nil {
		r.opts.Out = io.Discard
	}
	defer r.close()
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	err := r.deliver(ctx)
	return r.report(), err
}

// run is a gadget in the kernel.
type run struct {
	plan *plan.Plan
	opts Options
	log  *slog.Logger
	env  *event.Env

	watcher *container.Watcher
	// filterMap holds the wanted mount namespaces; nil when the gadget cannot
	// use one or everything is wanted.
	filterMap *ebpf.Map
	loaded    *loaded
	sources   []*source
	links     links
	out       *pipe.Output
}

// source is a data source of a run.
type source struct {
	*plan.Source
	pipe   *pipe.Source
	reader *pipe.Reader
	loss   *loss
	// reported is how many losses Options.Lost has been told of.
	reported uint64
}

// start does everything up to the moment when events are captured.
func (r *run) start(ctx context.Context) error {
	if err := checkHost(); err != nil {
		return err
	}
	r.env = newEnv()
	r.out = pipe.NewOutput(r.opts.Out, r.opts.MaxEvents)

	var err error
	if err = r.watchContainers(ctx); err != nil {
		return err
	}
	if r.loaded, err = load(r.plan, r.filterMap, r.opts, r.log); err != nil {
		return err
	}
	for _, s := range r.plan.Sources {
		if err := r.openSource(s); err != nil {
			return err
		}
	}
	if r.links, err = attach(r.plan, r.loaded.coll, r.log); err != nil {
		return err
	}
	if r.opts.Ready != nil {
		r.opts.Ready()
	}
	return nil
}

// openSource prepares the way of one data source's events.
func (r *run) openSource(s *plan.Source) error {
	src := &source{Source: s, pipe: &pipe.Source{Layout: s.Layout}, loss: r.loaded.losses[s.Name]}
	var err error
	if r.opts.Encoder != nil {
		if src.pipe.Encoder, err = r.opts.Encoder(s, r.env); err != nil {
			return err
		}
	}
	if src.pipe.Encoder == nil {
		src.pipe.Encoder = mute{}
	}
	if r.opts.Filter != nil {
		if src.pipe.Filter, err = r.opts.Filter(s, r.env); err != nil {
			return err
		}
	}
	if r.watcher != nil && s.Layout.MntNS != nil {
		src.pipe.Hold = pipe.NewHoldBack(s.Layout, r.watcher.Table())
	}
	m := r.loaded.coll.Maps[s.Map]
	if src.reader, err = pipe.NewReader(m, perCPUBuffer(r.opts.BufferSize)); err != nil {
		return err
	}
	r.sources = append(r.sources, src)
	return nil
}

// mute is the encoder of a data source that is not shown.
type mute struct{}

func (mute) Begin(dst []byte) []byte                   { return dst }
func (mute) Append(dst []byte, _ *event.Record) []byte { return dst }
func (mute) End(dst []byte) []byte                     { return dst }

// deliver runs the loops until the run ends, then stops in the order in which
// nothing is lost: programs first, then what they wrote, then the output.
func (r *run) deliver(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var loops errgroup.Group
	for _, s := range r.sources {
		stream := pipe.NewStream(s.pipe, s.reader, r.out)
		loops.Go(func() error {
			err := stream.Run()
			if err != nil {
				cancel()
			}
			return err
		})
	}
	r.watchLosses(ctx)

	r.links.close(r.log)
	for _, s := range r.sources {
		if err := s.reader.Flush(); err != nil {
			r.log.Warn("flush events", "source", s.Name, "error", err)
		}
	}
	err := loops.Wait()
	r.reportLosses()
	if errors.Is(err, pipe.ErrEnough) {
		return nil
	}
	return err
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

// lost is how many events have been lost so far, in the kernel and in a perf buffer.
func (s *source) lost() uint64 { return s.loss.total + s.reader.Lost() }

func (r *run) report() *Report {
	rep := &Report{}
	for _, s := range r.sources {
		rep.Sources = append(rep.Sources, SourceReport{
			Name:      s.Name,
			Delivered: s.pipe.Delivered.Load(), Filtered: s.pipe.Filtered.Load(),
			Lost: s.lost(), LossUnknown: s.loss.unknown,
		})
	}
	return rep
}

// close frees everything that start made, also when it came only half-way.
func (r *run) close() {
	r.links.close(r.log)
	for _, s := range r.sources {
		if err := s.reader.Close(); err != nil {
			r.log.Warn("close reader", "source", s.Name, "error", err)
		}
	}
	if r.loaded != nil {
		r.loaded.close()
	}
	if r.watcher != nil {
		if err := r.watcher.Close(); err != nil {
			r.log.Warn("close container watcher", "error", err)
		}
	}
	if r.filterMap != nil {
		_ = r.filterMap.Close()
	}
}

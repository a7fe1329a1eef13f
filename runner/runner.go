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
	"io"
	"log/slog"
	"time"

	"github.com/cilium/ebpf"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/container/engine"
	"github.com/gadget-bpf/gadget/runner/pipe"
	"github.com/gadget-bpf/gadget/runner/process"
)

// DefaultBufferSize is the size of a ring buffer in bytes. Smaller ones lose
// events of busy machines; it is mapped twice and counts against memory.
const DefaultBufferSize = 4 << 20

// DefaultPrintInterval is the time between two drawings of metrics.
const DefaultPrintInterval = time.Second

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
	// Processes chooses processes, whatever container they are in. Without Host, and
	// without a Selector, only their events are shown.
	Processes process.Choice
	// Ended is closed when the command of Processes has ended, and the run ends then;
	// with Descendants only when nothing lives any more that descends from it. Nil
	// is for a run that does not end with a command.
	Ended       <-chan struct{}
	Descendants bool
	// Engines says where container engines are.
	Engines engine.Options
	// EnrichWait is how long events wait for the name of their container; 0 is
	// [container.DefaultEnrichWait].
	EnrichWait time.Duration
	// BTF is a file with the kernel's types, raw or in an ELF file such as vmlinux,
	// to be used instead of its own.
	BTF string
	// BTFGen is the btfgen layer of the image, a tar.gz with types of many kernels.
	// Those of this one are used where it has none of its own.
	BTFGen []byte

	// AllowChange lets programs change the system in the ways of [plan.Power];
	// without it those that could are not loaded.
	AllowChange bool

	// NoNames shows the addresses of endpoints where their owners are known, too.
	NoNames bool
	// EnvVars are the environment variables that fields may show.
	EnvVars map[string]string

	// Out receives the text of all data sources in whole events; nil discards.
	Out io.Writer
	// Encoder makes the encoder of a data source; nil or a nil encoder mutes it.
	Encoder func(*plan.Source, *event.Env) (event.Encoder, error)
	// Filter makes the filter of a data source; nil keeps all events.
	Filter func(*plan.Source, *event.Env) (func(*event.Record) bool, error)
	// Order compares two rows of an array data source; nil, or a nil function,
	// keeps the order in which they come. MaxRows keeps the first of each batch.
	Order   func(*plan.Source, *event.Env) (func(a, b *event.Record) int, error)
	MaxRows int
	// PrintInterval is the time between two calls of End of the encoder of a data
	// source with metrics, which sums up what it gets; 0 is DefaultPrintInterval.
	PrintInterval time.Duration
	// MaxEvents ends the run after so many events; 0 is no limit.
	MaxEvents uint64

	// ImageOf tells from the arguments of another process of this program which
	// image it runs, "" when none; nil knows none.
	ImageOf func(args []string) string

	// Ready is called once when all programs are attached.
	Ready func()
	// Live is called before Ready with a look at the run, for as long as it lasts.
	Live func(*Live)
	// Lost is called, at most once a second for each data source, when events
	// were lost, or additions to the map of a table: how many since the last call,
	// how many in all.
	Lost func(source string, n, total uint64)
	// Notice is called with things that the user should know and that are no
	// errors, such as that no container matches yet; from any goroutine.
	Notice func(string)
	// TracePipe is called with each line that programs print by bpf_printk, this
	// gadget's and all others', from a goroutine of its own; nil leaves them be.
	TracePipe func(line string)
	// Log receives what happens inside; nil is silent.
	Log *slog.Logger
}

// Report says what became of the events.
type Report struct {
	Sources []SourceReport
	// Missed are programs that were not run each time their hook was reached. What
	// they would have sent is in no other number.
	Missed []Missed
}

// SourceReport counts the events of one data source. Produced events are those
// delivered, filtered in user space, or lost. Of a table the rows are delivered or
// filtered; lost is what its programs could not add, because the map was full.
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
	r := newRun(p, o)
	defer r.close()
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	err := r.deliver(ctx)
	r.live.end()
	return r.report(), err
}

func newRun(p *plan.Plan, o Options) *run {
	r := &run{plan: p, opts: o, log: o.Log, changed: make(chan struct{}, 1)}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if o.Out == nil {
		r.opts.Out = io.Discard
	}
	r.env = NewEnv()
	r.env.Vars = o.EnvVars
	r.out = pipe.NewOutput(r.opts.Out, r.opts.MaxEvents)
	return r
}

// run is a gadget in the kernel.
type run struct {
	plan *plan.Plan
	opts Options
	log  *slog.Logger
	env  *event.Env

	watcher *container.Watcher
	// processes is nil when nothing depends on them.
	processes *process.Table
	// forget ends the watching of addresses; nil when nobody does.
	forget context.CancelFunc
	// changed has an element when the watcher's table has changed.
	changed chan struct{}
	// feed has what the watcher tells of containers; nil when no data source is
	// about them.
	feed *containerFeed
	// filterMap holds the wanted mount namespaces; nil when the gadget cannot
	// use one or everything is wanted.
	filterMap *ebpf.Map
	// kernel is nil once everything is loaded: its types are worth some megabytes.
	kernel  *kernel
	choice  *choice
	loaded  *loaded
	sources []*source
	links   links
	out     *pipe.Output

	// tracePipe is nil unless somebody wants to read it.
	tracePipe *tracePipe
	// live is nil unless somebody wants to look.
	live *Live
}

// start does everything up to the moment when events are captured.
func (r *run) start(ctx context.Context) error {
	if err := r.survey(); err != nil {
		return err
	}
	if err := r.watchProcesses(); err != nil {
		return err
	}
	if err := r.watchContainers(ctx); err != nil {
		return err
	}
	if r.opts.TracePipe != nil {
		var err error
		if r.tracePipe, err = openTracePipe(r.opts.TracePipe); err != nil {
			return err
		}
	}
	if err := r.activateAll(ctx); err != nil {
		return err
	}
	r.kernel = nil
	r.choice.tell()
	if r.opts.Live != nil {
		r.live = &Live{r: r}
		r.opts.Live(r.live)
	}
	if r.opts.Ready != nil {
		r.opts.Ready()
	}
	return nil
}

// survey finds out what the host has, and drops the programs that it rules out.
func (r *run) survey() (err error) {
	chosen := newChoice(r.plan, r.log)
	if err = chosen.permit(&r.opts); err != nil {
		return err
	}
	if err = checkPermission(r.plan); err != nil {
		return err
	}
	if r.kernel = newKernel(nil); r.plan.Spec != nil {
		if r.kernel, err = chooseTypes(&r.opts); err != nil {
			return err
		}
	}
	if err = chosen.suit(r.kernel); err != nil {
		return err
	}
	r.choice = chosen
	return nil
}

// activateAll drops programs one by one until the rest works.
func (r *run) activateAll(ctx context.Context) error {
	for {
		failed, err := r.activate(ctx)
		if err == nil {
			return nil
		}
		r.deactivate()
		if err = r.choice.drop(failed, err); err != nil {
			return err
		}
	}
}

// activate loads and attaches the chosen programs. With an error it names the
// program to blame, "" when it is none of them.
func (r *run) activate(ctx context.Context) (failed string, err error) {
	if r.loaded, err = load(r.choice, r.filters(), r.kernel, r.opts); err != nil {
		return blame(err), err
	}
	for _, s := range r.plan.Sources {
		if err := r.openSource(kernelEnums(s, r.kernel)); err != nil {
			return blame(err), err
		}
	}
	if r.links, err = attach(r.plan, r.choice, r.loaded.coll, r.log); err == nil {
		err = r.follow(ctx)
	}
	return blame(err), err
}

// deactivate undoes activate, however far it came.
func (r *run) deactivate() {
	r.links.close(r.log)
	for _, s := range r.sources {
		s.close(r.log)
	}
	r.sources = nil
	if r.loaded != nil {
		r.loaded.close()
		r.loaded = nil
	}
}

func (r *run) report() *Report {
	rep := &Report{Missed: r.missed()}
	for _, s := range r.sources {
		rep.Sources = append(rep.Sources, SourceReport{
			Name:      s.Name,
			Delivered: s.pipe.Delivered.Load(), Filtered: s.pipe.Filtered.Load(),
			Lost: s.lost(), LossUnknown: s.loss != nil && s.loss.unknown,
		})
	}
	return rep
}

// close frees everything that start made, also when it came only half-way.
func (r *run) close() {
	r.deactivate()
	if r.tracePipe != nil {
		if err := r.tracePipe.Close(); err != nil {
			r.log.Warn("close trace_pipe", "error", err)
		}
	}
	if r.forget != nil {
		r.forget()
	}
	if r.watcher != nil {
		if err := r.watcher.Close(); err != nil {
			r.log.Warn("close container watcher", "error", err)
		}
	}
	if r.filterMap != nil {
		_ = r.filterMap.Close()
	}
	if r.processes != nil {
		if err := r.processes.Close(); err != nil {
			r.log.Warn("close process table", "error", err)
		}
	}
}

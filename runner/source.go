package runner

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/pipe"
)

// source is a data source of a run: a stream with its reader and losses, or
// batches with their schedule.
type source struct {
	*plan.Source
	pipe   *pipe.Source
	reader *pipe.Reader
	loss   *loss
	// feed is in the place of a reader for events of containers.
	feed *containerFeed

	batch     *pipe.Batch
	schedule  pipe.Schedule
	iterators iterators
	collector collector
	// reported is how many losses Options.Lost has been told of.
	reported uint64
}

// close frees what openSource made.
func (s *source) close(log *slog.Logger) {
	s.iterators.close()
	if s.collector != nil {
		if err := s.collector.Close(); err != nil {
			log.Warn("close collector", "source", s.Name, "error", err)
		}
	}
	if s.reader == nil {
		return
	}
	if err := s.reader.Close(); err != nil {
		log.Warn("close reader", "source", s.Name, "error", err)
	}
}

// openSource prepares the way of one data source's events. Those of a rendered one
// come from the source that has the metrics.
func (r *run) openSource(s *plan.Source) error {
	if s.Kind == plan.Rendered {
		return nil
	}
	src := &source{Source: s, pipe: &pipe.Source{Layout: s.Layout}}
	var err error
	if src.pipe.Members, err = r.members(s); err != nil {
		return err
	}
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
	if s.Metrics != nil {
		src.pipe.Every = r.printInterval()
	}
	if s.Layout.Array {
		err = r.openBatch(src)
	} else {
		err = r.openStream(src)
	}
	if err != nil {
		return err
	}
	r.sources = append(r.sources, src)
	return nil
}

// openStream opens the buffer through which the events come.
func (r *run) openStream(src *source) (err error) {
	if src.Kind == plan.Containers {
		src.feed = r.feed
		return nil
	}
	if r.watcher != nil && pipe.HasOwners(src.Layout) {
		src.pipe.Hold = pipe.NewHoldBack(src.Layout, r.watcher.Table(), src.pipe.Members)
	}
	src.loss = r.loaded.losses[src.Name]
	src.reader, err = pipe.NewReader(r.loaded.coll.Maps[src.Map], perCPUBuffer(r.opts.BufferSize))
	return err
}

// openBatch prepares what an array data source is fetched from.
func (r *run) openBatch(src *source) (err error) {
	src.schedule = pipe.Schedule{
		Interval: src.Interval,
		Count:    src.Count,
		Final:    src.FinalFetch,
	}
	// What is drawn more often than it is fetched would not change.
	if src.Metrics != nil {
		src.schedule.Interval = min(src.Interval, src.pipe.Every)
	}
	if src.Kind == plan.MapIterator {
		src.schedule.First = src.schedule.Interval
	}
	// The first table of a long interval comes soon, so that nobody has to wait.
	// Without an interval there is only that one.
	if src.Kind.Made() {
		if src.schedule.First = src.First; src.Interval == 0 {
			src.schedule.Count = 1
		} else {
			src.schedule.First = min(src.First, src.Interval)
		}
	}
	var fetch pipe.Fetch
	switch src.Kind {
	case plan.Iterator:
		if src.iterators, err = r.openIterators(src.Source); err != nil {
			return err
		}
		fetch = src.iterators.fetch
	case plan.MapIterator:
		fetch = fetchMap(r.loaded.coll.Maps[src.Map])
		src.loss = r.loaded.losses[src.Name]
	default:
		c, err := r.openCollector(src.Source)
		if err != nil {
			return err
		}
		src.collector, fetch = c, c.Fetch
	}
	src.batch = pipe.NewBatch(src.pipe, fetch, r.out)
	if r.watcher != nil && pipe.HasOwners(src.Layout) {
		src.batch.Table = r.watcher.Table()
	}
	// Rows that are summed up have no order, and none may be missing.
	if src.Metrics != nil {
		return nil
	}
	src.batch.MaxRows = r.opts.MaxRows
	if r.opts.Order != nil {
		src.batch.Compare, err = r.opts.Order(src.Source, r.env)
	}
	return err
}

// printInterval is the time between two drawings of metrics.
func (r *run) printInterval() time.Duration {
	return cmp.Or(r.opts.PrintInterval, DefaultPrintInterval)
}

// mute is the encoder of a data source that is not shown.
type mute struct{}

func (mute) Begin(dst []byte) []byte                   { return dst }
func (mute) Append(dst []byte, _ *event.Record) []byte { return dst }
func (mute) End(dst []byte) []byte                     { return dst }

// lost is how many events have been lost so far, in the kernel and in a perf buffer,
// or how often the map of a table had no room. Rows that are fetched cannot get lost
// on the way.
func (s *source) lost() uint64 {
	if s.loss == nil {
		return 0
	}
	if s.loss.fromReader {
		return s.reader.Lost()
	}
	return s.loss.total.Load()
}

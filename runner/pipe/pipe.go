// Package pipe moves events from the kernel to a writer: one loop per data
// source, written in the order it runs.
//
//	Reader ─► zero padding ─► container look-up ─► filter ─► Encoder ─► Output
//	                               │ not known yet
//	                               └─► HoldBack, in order per namespace
//
// Processes that were chosen themselves come whatever container they are in.
//
// The loop allocates nothing per event and hands nothing to another goroutine.
package pipe

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container"
)

// flushSize is how much text is gathered while more events wait: one write per
// event costs more than making its text.
const flushSize = 64 << 10

// maxBurst is how many events are handled before the loop looks at anything else,
// for encoders that gather no text.
const maxBurst = 1 << 14

// ErrEnough ends a loop whose output has had as many events as were asked for.
var ErrEnough = errors.New("event limit reached")

// Output is the writer that all data sources of a run share. Its methods may be
// called from any goroutine.
type Output struct {
	mu  sync.Mutex
	w   io.Writer
	err error
	// left counts down when there is a limit.
	left  atomic.Int64
	limit bool
}

// NewOutput writes to w, at most limit events of all data sources together; 0 is
// no limit.
func NewOutput(w io.Writer, limit uint64) *Output {
	o := &Output{w: w, limit: limit > 0}
	o.left.Store(int64(limit))
	return o
}

// take asks for leave to write one more event.
func (o *Output) take() bool {
	return !o.limit || o.left.Add(-1) >= 0
}

// spent is true when there is no leave left: the last event ends a run, not the one
// after it, which may never come.
func (o *Output) spent() bool { return o.limit && o.left.Load() <= 0 }

// write writes whole events. After the first error it writes no more.
func (o *Output) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		_, o.err = o.w.Write(p)
	}
	return o.err
}

// Source is a data source on its way through the pipe: its settings, and its
// counters, which may be read at any time.
type Source struct {
	Layout  *event.Layout
	Encoder event.Encoder
	// Filter keeps the events for which it is true; nil keeps all.
	Filter func(*event.Record) bool
	// Hold knows containers and keeps back the events whose container is not
	// known yet; nil when the events do not say whose they are.
	Hold *HoldBack
	// Members are processes that were chosen, whose events come besides those of
	// wanted containers; nil when none were.
	Members Members
	// Every is for encoders that sum up: it is the time between two calls of
	// their End. A stream is cut into batches that take so long, and batches that
	// come more often are joined. 0 leaves both as they are.
	Every time.Duration

	Delivered, Filtered atomic.Uint64
}

// Samples is where the events of a stream come from. It belongs to one goroutine.
type Samples interface {
	// Next returns the next sample, valid until the next call, and whether more
	// are waiting behind it. It answers [ErrIdle] when the patience runs out and
	// [ErrDrained] at the end.
	Next() (raw []byte, more bool, err error)
	// SetPatience sets for how long Next waits; 0 waits until something comes.
	SetPatience(time.Duration)
}

// Stream is the loop of a data source that is a stream of events.
type Stream struct {
	*Source
	reader Samples
	out    *Output
	buf    []byte
	// padded is room for samples shorter than the struct.
	padded []byte
	rec    event.Record
	// due is when the stream is cut next.
	due time.Time
}

// NewStream makes the loop; nothing is read before Run.
func NewStream(src *Source, reader Samples, out *Output) *Stream {
	return &Stream{
		Source: src, reader: reader, out: out,
		buf:    make([]byte, 0, flushSize+16<<10),
		padded: make([]byte, src.Layout.Size),
	}
}

// Run reads and writes events until the reader is drained, the output has had
// enough ([ErrEnough]) or cannot be written.
func (s *Stream) Run() error {
	s.buf = s.Encoder.Begin(s.buf)
	s.due = time.Now().Add(s.Every)
	if err := s.flush(); err != nil {
		return err
	}
	for {
		s.reader.SetPatience(s.patience())
		err := s.burst()
		if err == nil || errors.Is(err, ErrIdle) {
			err = s.release(false)
		}
		if err == nil {
			s.cut()
			err = s.flush()
		}
		if errors.Is(err, ErrDrained) || errors.Is(err, ErrEnough) {
			return s.finish(err)
		}
		if err != nil {
			return err
		}
	}
}

// cut ends a batch of the stream and begins the next when its time has come.
func (s *Stream) cut() {
	if s.Every == 0 {
		return
	}
	if now := time.Now(); !now.Before(s.due) {
		s.buf = s.Encoder.Begin(s.Encoder.End(s.buf))
		s.due = now.Add(s.Every)
	}
}

// burst handles events until none is waiting, there is a buffer full of text, or
// it has been at it for long enough.
func (s *Stream) burst() error {
	for range maxBurst {
		raw, more, err := s.reader.Next()
		if err != nil {
			return err
		}
		if err := s.event(raw); err != nil {
			return err
		}
		if !more || len(s.buf) >= flushSize {
			break
		}
	}
	return nil
}

// event takes one sample through the pipe.
func (s *Stream) event(raw []byte) error {
	if len(raw) < len(s.padded) {
		n := copy(s.padded, raw)
		clear(s.padded[n:])
		raw = s.padded
	}
	s.rec.Raw, s.rec.Container = raw, nil
	switch {
	case s.Hold != nil:
		c, verdict := s.Hold.Look(raw)
		switch verdict {
		case container.Drop:
			s.Filtered.Add(1)
			return nil
		case container.Wait:
			return s.hold()
		}
		s.rec.Container = c
	case !chosen(s.Members, s.Layout, raw):
		s.Filtered.Add(1)
		return nil
	}
	return s.emit()
}

// hold keeps the bounds of the hold-back after it has taken an event.
func (s *Stream) hold() error {
	switch {
	case s.Hold.Full():
		return s.release(true)
	case s.Hold.Due():
		return s.release(false)
	}
	return nil
}

// emit filters and encodes the current record.
func (s *Stream) emit() error {
	if s.Filter != nil && !s.Filter(&s.rec) {
		s.Filtered.Add(1)
		return nil
	}
	if !s.out.take() {
		return ErrEnough
	}
	s.Delivered.Add(1)
	s.buf = s.Encoder.Append(s.buf, &s.rec)
	if s.out.spent() {
		return ErrEnough
	}
	return nil
}

// release emits what the hold-back no longer needs to keep; all of it at the end.
func (s *Stream) release(all bool) error {
	if s.Hold == nil || s.Hold.Empty() {
		return nil
	}
	dropped, err := s.Hold.Release(all, s.emitHeld)
	s.Filtered.Add(dropped)
	return err
}

func (s *Stream) emitHeld(raw []byte, c *event.Container) error {
	s.rec.Raw, s.rec.Container = raw, c
	return s.emit()
}

// patience is how long the loop may sleep: shorter while events are held back or
// the stream is to be cut.
func (s *Stream) patience() time.Duration {
	switch {
	case s.Hold != nil && !s.Hold.Empty():
		return 5 * time.Millisecond
	case s.Every > 0:
		return max(time.Until(s.due), 1)
	}
	return 0
}

func (s *Stream) flush() error {
	err := s.out.write(s.buf)
	s.buf = s.buf[:0]
	return err
}

// finish delivers what is left: everything held back, then the encoder's end.
func (s *Stream) finish(cause error) error {
	if errors.Is(cause, ErrDrained) {
		cause = s.settle()
	}
	if err := s.release(true); err != nil && !errors.Is(err, ErrEnough) {
		return err
	}
	s.buf = s.Encoder.End(s.buf)
	if err := s.flush(); err != nil {
		return err
	}
	return cause
}

// settle gives the containers of what is held back their usual time to be found
// out, as if the run went on.
func (s *Stream) settle() error {
	end := time.Now().Add(container.DefaultEnrichWait)
	for s.Hold != nil && !s.Hold.Empty() && time.Now().Before(end) {
		if err := s.release(false); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

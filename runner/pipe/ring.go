package pipe

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/perf"
	"github.com/cilium/ebpf/ringbuf"
)

// perfPatience is how long an event may wait in a perf buffer that is not yet
// worth a wake-up. Waking the reader for every event slows the traced program
// down forty times.
const perfPatience = 50 * time.Millisecond

// Reader reads raw samples from a ring buffer or from a perf event array; all of
// our reading goes through here, so that a faster way of reading is a local change.
//
// Next is for one goroutine; Flush and Close may be called from any.
type Reader struct {
	ring *ringbuf.Reader
	perf *perf.Reader

	ringRec ringbuf.Record
	perfRec perf.Record
	// lost samples that the kernel reported in a perf buffer.
	lost     atomic.Uint64
	deadline time.Time
}

// NewReader opens a reader. perCPU is the size of a perf buffer for each CPU in
// bytes, rounded up to pages; a ring buffer has the size of its map.
func NewReader(m *ebpf.Map, perCPU int) (*Reader, error) {
	if m.Type() == ebpf.RingBuf {
		rd, err := ringbuf.NewReader(m)
		if err != nil {
			return nil, fmt.Errorf("map ring buffer: %w", err)
		}
		return &Reader{ring: rd}, nil
	}
	rd, err := perf.NewReaderWithOptions(m, perCPU, perf.ReaderOptions{Watermark: perCPU / 4})
	if err != nil {
		return nil, fmt.Errorf("map perf buffer: %w", err)
	}
	return &Reader{perf: rd}, nil
}

// SetPatience sets for how long Next waits before it answers [ErrIdle]; 0 waits
// until something comes.
func (r *Reader) SetPatience(d time.Duration) {
	if r.perf != nil && (d == 0 || d > perfPatience) {
		d = perfPatience
	}
	if d == 0 {
		r.deadline = time.Time{}
	} else {
		r.deadline = time.Now().Add(d)
	}
	if r.ring != nil {
		r.ring.SetDeadline(r.deadline)
	} else {
		r.perf.SetDeadline(r.deadline)
	}
}

// Errors by which Next says that there is no sample.
var (
	// ErrIdle means that the patience ran out.
	ErrIdle = errors.New("no event yet")
	// ErrDrained means that everything written before Flush has been read.
	ErrDrained = errors.New("drained")
)

// Next returns the next sample, valid until the next call, and whether more are
// waiting behind it.
func (r *Reader) Next() (raw []byte, more bool, err error) {
	if r.ring != nil {
		if err := r.ring.ReadInto(&r.ringRec); err != nil {
			return nil, false, readError(err)
		}
		return r.ringRec.RawSample, r.ringRec.Remaining > 0, nil
	}
	for {
		if err := r.perf.ReadInto(&r.perfRec); err != nil {
			return nil, false, readError(err)
		}
		if n := r.perfRec.LostSamples; n > 0 {
			r.lost.Add(n)
			continue
		}
		return r.perfRec.RawSample, r.perfRec.Remaining > 0, nil
	}
}

func readError(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrIdle
	case errors.Is(err, ringbuf.ErrFlushed), errors.Is(err, perf.ErrFlushed),
		errors.Is(err, os.ErrClosed):
		return ErrDrained
	}
	return fmt.Errorf("read events: %w", err)
}

// Flush makes Next return what has been written so far and then [ErrDrained].
func (r *Reader) Flush() error {
	if r.ring != nil {
		return r.ring.Flush()
	}
	return r.perf.Flush()
}

// Lost is how many samples the kernel reported lost in a perf buffer; 0 for a
// ring buffer, which cannot tell.
func (r *Reader) Lost() uint64 { return r.lost.Load() }

// Close unmaps the buffer.
func (r *Reader) Close() error {
	if r.ring != nil {
		return r.ring.Close()
	}
	return r.perf.Close()
}

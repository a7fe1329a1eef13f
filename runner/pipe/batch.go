package pipe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container"
)

// Fetch appends all rows of one batch to dst, each of the layout's size.
type Fetch func(dst []byte) ([]byte, error)

// Schedule says when batches are fetched. The zero value fetches none.
type Schedule struct {
	// First is the time before the first batch, Interval that between batches; 0
	// fetches without waiting.
	First, Interval time.Duration
	// Count of batches, 0 for no end, or none when there is no interval.
	Count uint64
	// Final fetches once more when the run ends.
	Final bool
}

// Batch is the loop of an array data source.
type Batch struct {
	*Source
	// Table knows containers; nil when the rows do not say whose they are.
	Table Owners
	// Compare orders the rows; nil keeps the order in which they come.
	Compare func(a, b *event.Record) int
	// MaxRows of a batch, the first of them in order; 0 is no limit.
	MaxRows int

	fetch Fetch
	out   *Output
	// patience ends when a batch waits no longer for the names of containers.
	patience time.Time
	raw      []byte
	rows     []event.Record
	buf      []byte
	// open is true between Begin and End of the encoder.
	open bool
}

// NewBatch makes the loop; nothing is read before Run.
func NewBatch(src *Source, fetch Fetch, out *Output) *Batch {
	return &Batch{Source: src, fetch: fetch, out: out}
}

// Run fetches and writes batches until the schedule or ctx ends, the output has
// had enough ([ErrEnough]) or cannot be written.
func (b *Batch) Run(ctx context.Context, s Schedule) error {
	if s.Count > 1 && s.Interval == 0 {
		return fmt.Errorf("data source %s: %d batches need an interval; set --interval", b.Layout.Name, s.Count)
	}
	if s.Count == 0 && s.Interval == 0 {
		<-ctx.Done()
		return nil
	}
	wait := s.First
	for n := uint64(0); s.Count == 0 || n < s.Count; n++ {
		if wait > 0 && !sleep(ctx, wait) {
			break
		}
		wait = s.Interval
		if err := b.once(b.ends(s, n)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}

// ends tells whether the encoder's batch ends with the n-th one that is fetched.
func (b *Batch) ends(s Schedule, n uint64) bool {
	if b.Every == 0 || s.Interval == 0 {
		return true
	}
	joined := max(1, uint64((b.Every+s.Interval/2)/s.Interval))
	// The last one is joined with what Finish fetches.
	return (n+1)%joined == 0 && (n+1 != s.Count || !s.Final)
}

// Finish fetches the last batch of a schedule that has one, and ends what is still
// joined. It is called after the programs have been detached.
func (b *Batch) Finish(s Schedule) error {
	var err error
	switch {
	case s.Final:
		err = b.once(true)
	case b.open:
		b.rows = b.rows[:0]
		err = b.write(true)
	}
	if !errors.Is(err, ErrEnough) {
		return err
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// once takes one batch through the pipe; end says whether it is the encoder's last
// for now.
func (b *Batch) once(end bool) error {
	var err error
	if b.raw, err = b.fetch(b.raw[:0]); err != nil {
		return err
	}
	size := b.Layout.Size
	if size == 0 || len(b.raw)%size != 0 {
		return fmt.Errorf("data source %s: read %d bytes, which is not a number of rows of %d bytes", b.Layout.Name, len(b.raw), size)
	}
	b.rows = b.rows[:0]
	b.patience = time.Now().Add(Patience)
	for raw := range slices.Chunk(b.raw, max(size, 1)) {
		b.row(raw)
	}
	if b.Compare != nil {
		slices.SortStableFunc(b.rows, func(x, y event.Record) int { return b.Compare(&x, &y) })
	}
	if b.MaxRows > 0 && len(b.rows) > b.MaxRows {
		b.Filtered.Add(uint64(len(b.rows) - b.MaxRows))
		b.rows = b.rows[:b.MaxRows]
	}
	return b.write(end)
}

// row looks up the container of a row and keeps the row if it is wanted. It waits
// when that is just being found out: what has been read does not go away, and a
// table with half the names is of no use.
func (b *Batch) row(raw []byte) {
	rec := event.Record{Raw: raw}
	if b.Table != nil {
		c, verdict := Await(b.Table, namespaceKey(b.Layout, raw), b.patience)
		if verdict == container.Drop && (b.Members == nil || !chosen(b.Members, b.Layout, raw)) {
			b.Filtered.Add(1)
			return
		}
		rec.Container = c
	} else if !chosen(b.Members, b.Layout, raw) {
		b.Filtered.Add(1)
		return
	}
	if b.Filter != nil && !b.Filter(&rec) {
		b.Filtered.Add(1)
		return
	}
	b.rows = append(b.rows, rec)
}

func (b *Batch) write(end bool) error {
	b.buf = b.buf[:0]
	if !b.open {
		b.buf = b.Encoder.Begin(b.buf)
	}
	enough := false
	for i := range b.rows {
		if enough = !b.out.take(); enough {
			break
		}
		b.Delivered.Add(1)
		b.buf = b.Encoder.Append(b.buf, &b.rows[i])
	}
	enough = enough || b.out.spent()
	b.open = !end && !enough
	if !b.open {
		b.buf = b.Encoder.End(b.buf)
	}
	if err := b.out.write(b.buf); err != nil {
		return err
	}
	if enough {
		return ErrEnough
	}
	return nil
}

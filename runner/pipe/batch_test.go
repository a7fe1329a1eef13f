package pipe

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container"
)

// tableLayout has rows of a mount namespace and a number.
func tableLayout() *event.Layout {
	l := &event.Layout{Name: "rows", Array: true, Size: 16, Fields: []event.Field{
		{Name: "mntns", Kind: event.Uint64, Size: 8, Hidden: true},
		{Name: "n", Kind: event.Uint64, Offset: 8, Size: 8},
		{Name: "name", Kind: event.FromContainer, Attr: event.RuntimeContainerName},
	}}
	l.MntNS = &l.Fields[0]
	return l
}

// rows makes the bytes of rows, given as pairs.
func rows(pairs ...uint64) []byte {
	var raw []byte
	for _, v := range pairs {
		raw = binary.NativeEndian.AppendUint64(raw, v)
	}
	return raw
}

// newBatch makes a loop that fetches the given batches, one after the other.
func newBatch(out *bytes.Buffer, limit uint64, batches ...[]byte) *Batch {
	l := tableLayout()
	src := &Source{Layout: l, Encoder: event.NewJSON(l, &event.Env{}, event.JSONOptions{})}
	fetch := func(dst []byte) ([]byte, error) {
		if len(batches) == 0 {
			return dst, nil
		}
		dst = append(dst, batches[0]...)
		batches = batches[1:]
		return dst, nil
	}
	return NewBatch(src, fetch, NewOutput(out, limit))
}

func TestBatchOrderAndLimits(t *testing.T) {
	var out bytes.Buffer
	b := newBatch(&out, 3, rows(1, 5, 1, 7, 1, 6), rows(1, 1, 1, 2), rows(1, 9))
	n := &b.Layout.Fields[1]
	b.Compare = func(x, y *event.Record) int { return cmp.Compare(n.Uint(y), n.Uint(x)) }
	b.MaxRows = 2
	b.Filter = func(r *event.Record) bool { return n.Uint(r) != 7 }
	err := b.Run(t.Context(), Schedule{Interval: time.Millisecond, Count: 3})
	if !errors.Is(err, ErrEnough) {
		t.Errorf("error %v, want %v", err, ErrEnough)
	}
	want := `[{"mntns":1,"n":6,"name":""},{"mntns":1,"n":5,"name":""}]
[{"mntns":1,"n":2,"name":""}]
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if d, f := b.Delivered.Load(), b.Filtered.Load(); d != 3 || f != 1 {
		t.Errorf("delivered %d, filtered %d, want 3 and 1", d, f)
	}
}

// TestBatchWaits checks that a table waits until containers have been found out,
// and then has no row that nobody wants.
func TestBatchWaits(t *testing.T) {
	o := &owners{verdicts: map[uint64]container.Verdict{1: container.Wait, 2: container.Wait, 3: container.Emit},
		names: map[uint64]string{1: "one", 2: "two", 3: "three"}}
	asked := 0
	o.meanwhile = func() {
		if asked++; asked == 3 {
			o.set(1, container.Emit)
			o.set(2, container.Drop)
		}
	}
	var out bytes.Buffer
	b := newBatch(&out, 0, rows(1, 10, 2, 20, 3, 30))
	b.Table = o
	if err := b.Run(t.Context(), Schedule{Count: 1}); err != nil {
		t.Fatal(err)
	}
	want := `[{"mntns":1,"n":10,"name":"one"},{"mntns":3,"n":30,"name":"three"}]` + "\n"
	if out.String() != want {
		t.Errorf("got %swant %s", out.String(), want)
	}
}

func TestBatchSchedule(t *testing.T) {
	var out bytes.Buffer
	b := newBatch(&out, 0, rows(1, 1), rows(1, 2))
	if err := b.Run(t.Context(), Schedule{Count: 2}); err == nil || !strings.Contains(err.Error(), "--interval") {
		t.Errorf("two batches at once: %v", err)
	}
	if err := b.Run(t.Context(), Schedule{Count: 1}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := b.Run(ctx, Schedule{Final: true}); err != nil || ctx.Err() == nil {
		t.Errorf("no batches but the last: error %v, or did not wait for the end", err)
	}
	if err := b.Finish(Schedule{Final: true}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 2 {
		t.Errorf("%d batches, want one and a last one", n)
	}
	start := time.Now()
	if err := b.Run(t.Context(), Schedule{First: 20 * time.Millisecond, Interval: time.Hour, Count: 1}); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(start); waited < 20*time.Millisecond {
		t.Errorf("the first batch came after %s", waited)
	}
}

func TestBatchOfHalfRows(t *testing.T) {
	b := newBatch(&bytes.Buffer{}, 0, []byte("seven b"))
	if err := b.Run(t.Context(), Schedule{Count: 1}); err == nil || !strings.Contains(err.Error(), "read 7 bytes") {
		t.Errorf("error %v", err)
	}
}

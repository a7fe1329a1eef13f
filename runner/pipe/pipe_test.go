package pipe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// burstSize is BURST of testdata/burst.
const burstSize = 1000

// burst is a gadget in the kernel that fills its ring buffer on demand.
type burst struct {
	source *plan.Source
	coll   *ebpf.Collection
	reader *Reader
}

func openBurst(t testing.TB) *burst {
	t.Helper()
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/burst")
	coll, err := ebpf.NewCollection(p.Spec.Copy())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(coll.Close)
	b := &burst{source: p.Sources[0], coll: coll}
	if b.reader, err = NewReader(coll.Maps[b.source.Map], 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.reader.Close() })
	return b
}

// fill writes n bursts into the ring buffer.
func (b *burst) fill(t testing.TB, n int) {
	t.Helper()
	for range n {
		if _, err := b.coll.Programs["burst"].Run(&ebpf.RunOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *burst) stream(enc event.Encoder, out io.Writer) *Stream {
	return NewStream(&Source{Layout: b.source.Layout, Encoder: enc}, b.reader, NewOutput(out, 0))
}

// TestAllocations checks that an event costs no allocation between the ring
// buffer and the writer, whatever the format.
func TestAllocations(t *testing.T) {
	b := openBurst(t)
	env := &event.Env{}
	for name, enc := range encoders(t, b.source.Layout, env) {
		t.Run(name, func(t *testing.T) {
			s := b.stream(enc, io.Discard)
			b.fill(t, 6)
			// The first events grow the buffers.
			for range 2 * burstSize {
				one(t, s)
			}
			if n := testing.AllocsPerRun(2*burstSize, func() { one(t, s) }); n != 0 {
				t.Errorf("%v allocations an event", n)
			}
			b.drain(t)
		})
	}
}

// one takes one event through the pipe.
func one(t testing.TB, s *Stream) {
	raw, _, err := s.reader.Next()
	if err == nil {
		err = s.event(raw)
	}
	if err == nil && len(s.buf) >= flushSize {
		err = s.flush()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (b *burst) drain(t testing.TB) {
	t.Helper()
	if err := b.reader.Flush(); err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, err := b.reader.Next(); errors.Is(err, ErrDrained) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func encoders(t testing.TB, l *event.Layout, env *event.Env) map[string]event.Encoder {
	t.Helper()
	fields, err := event.Select(l, "")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]event.Encoder{
		"json":    event.NewJSON(l, env, event.JSONOptions{}),
		"columns": event.NewColumns(l, env, event.ColumnOptions{Fields: fields}),
		"yaml":    event.NewYAML(l, env),
	}
}

// TestRun checks the loop as a whole: what is written when, and its end.
func TestRun(t *testing.T) {
	b := openBurst(t)
	b.fill(t, 3)
	var out bytes.Buffer
	s := b.stream(event.NewJSON(b.source.Layout, &event.Env{}, event.JSONOptions{}), &out)
	if err := b.reader.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != 3*burstSize || s.Delivered.Load() != 3*burstSize {
		t.Errorf("%d lines, %d delivered, want %d", n, s.Delivered.Load(), 3*burstSize)
	}
}

// TestShortSample checks that what a short sample does not have reads as zero,
// not as what an event before it had there.
func TestShortSample(t *testing.T) {
	layout := &event.Layout{Name: "x", Size: 8, Fields: []event.Field{{Name: "v", Kind: event.Uint64, Size: 8}}}
	var out bytes.Buffer
	s := NewStream(&Source{Layout: layout, Encoder: event.NewJSON(layout, &event.Env{}, event.JSONOptions{})}, nil, NewOutput(&out, 0))
	for _, raw := range [][]byte{{1, 2, 3, 4, 5, 6, 7, 8}, {9}, {}} {
		if err := s.event(raw); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Sprintf("{\"v\":%d}\n{\"v\":9}\n{\"v\":0}\n", uint64(0x0807060504030201))
	if got := string(s.buf); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestLastEventEnds checks that a limit ends the loop with the last event, without
// waiting for another one.
func TestLastEventEnds(t *testing.T) {
	layout := &event.Layout{Name: "x", Size: 8, Fields: []event.Field{{Name: "v", Kind: event.Uint64, Size: 8}}}
	s := NewStream(&Source{Layout: layout, Encoder: event.NewJSON(layout, &event.Env{}, event.JSONOptions{})}, nil, NewOutput(&bytes.Buffer{}, 2))
	if err := s.event([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := s.event([]byte{2}); !errors.Is(err, ErrEnough) || s.Delivered.Load() != 2 {
		t.Errorf("the last event: %v, %d delivered; want ErrEnough and 2", err, s.Delivered.Load())
	}
}

// BenchmarkRing measures the way from a real ring buffer to a writer. Filling
// the ring is not measured.
func BenchmarkRing(b *testing.B) {
	src := openBurst(b)
	for name, enc := range encoders(b, src.source.Layout, &event.Env{}) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var counted counter
			s := src.stream(enc, &counted)
			const bursts = 30
			left := 0
			var spent time.Duration
			for i := 0; i < b.N; i++ {
				if left == 0 {
					b.StopTimer()
					src.fill(b, bursts)
					left = bursts * burstSize
					b.StartTimer()
				}
				left--
				one(b, s)
			}
			b.StopTimer()
			spent = b.Elapsed()
			b.ReportMetric(float64(b.N)/spent.Seconds()/1e6, "Mevents/s")
			b.ReportMetric(float64(counted)/float64(b.N), "B/event")
			src.drain(b)
		})
	}
}

// counter counts what is written.
type counter uint64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

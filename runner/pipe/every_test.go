package pipe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
)

// summer is an encoder that only adds up: it says B when it begins, and at the end
// how much there was since the beginning of all.
type summer struct {
	n     *event.Field
	total uint64
}

func (e *summer) Begin(dst []byte) []byte { return append(dst, 'B') }
func (e *summer) Append(dst []byte, rec *event.Record) []byte {
	e.total += e.n.Uint(rec)
	return dst
}
func (e *summer) End(dst []byte) []byte {
	return append(strconv.AppendUint(dst, e.total, 10), '\n')
}

func TestBatchesAreJoined(t *testing.T) {
	const tick = 2 * time.Millisecond
	for _, tt := range []struct {
		name  string
		every time.Duration
		limit uint64
		s     Schedule
		want  string
	}{
		{"as they come", tick, 0, Schedule{Interval: tick, Count: 4}, "B1\nB3\nB7\nB15\n"},
		{"faster than they come", tick / 2, 0, Schedule{Interval: tick, Count: 2}, "B1\nB3\n"},
		{"pairs", 2 * tick, 0, Schedule{Interval: tick, Count: 4}, "B3\nB15\n"},
		{"rounded", 9 * tick / 4, 0, Schedule{Interval: tick, Count: 4}, "B3\nB15\n"},
		{"a rest", 2 * tick, 0, Schedule{Interval: tick, Count: 3}, "B3\nB7\n"},
		{"a last one", tick, 0, Schedule{Interval: tick, Count: 2, Final: true}, "B1\nB7\n"},
		{"at once", tick, 0, Schedule{Count: 1}, "B1\n"},
		{"enough", 10 * tick, 2, Schedule{Interval: tick, Count: 4}, "B3\n"},
		{"not joined", 0, 0, Schedule{Interval: tick, Count: 1, Final: true}, "B1\nB3\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			b := newBatch(&out, tt.limit, rows(1, 1), rows(1, 2), rows(1, 4), rows(1, 8))
			b.Encoder, b.Every = &summer{n: &b.Layout.Fields[1]}, tt.every
			err := b.Run(t.Context(), tt.s)
			if err == nil {
				err = b.Finish(tt.s)
			}
			if (tt.limit > 0) != errors.Is(err, ErrEnough) || err != nil && tt.limit == 0 {
				t.Error(err)
			}
			if out.String() != tt.want {
				t.Errorf("got %q, want %q", out.String(), tt.want)
			}
		})
	}
}

// samples are read at once until they end, and then there is nothing for a while.
type samples struct {
	n, idle int
	raw     [8]byte
	wait    time.Duration
}

func (s *samples) SetPatience(d time.Duration) { s.wait = d }

func (s *samples) Next() ([]byte, bool, error) {
	if s.n == 0 && s.idle == 0 {
		return nil, false, ErrDrained
	}
	if s.n == 0 {
		s.idle--
		time.Sleep(s.wait)
		return nil, false, ErrIdle
	}
	s.n--
	binary.NativeEndian.PutUint64(s.raw[:], 1)
	return s.raw[:], true, nil
}

// A stream is cut by time, whether events never stop coming or none come.
func TestStreamIsCut(t *testing.T) {
	l := &event.Layout{Size: 8, Fields: []event.Field{{Name: "n", Kind: event.Uint64, Size: 8}}}
	var out bytes.Buffer
	src := &Source{Layout: l, Encoder: &summer{n: &l.Fields[0]}, Every: time.Millisecond}
	const n = 3_000_000
	if err := NewStream(src, &samples{n: n, idle: 3}, NewOutput(&out, 0)).Run(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	total := "B" + strconv.Itoa(n)
	if last := lines[len(lines)-1]; last != total || lines[len(lines)-2] != total {
		t.Errorf("ends with %q", lines[max(0, len(lines)-3):])
	}
	if lines[0] == total {
		t.Error("a stream that never pauses was not cut")
	}
	if src.Delivered.Load() != n {
		t.Errorf("delivered %d", src.Delivered.Load())
	}
	out.Reset()
	src.Every = 0
	if err := NewStream(src, &samples{n: n}, NewOutput(&out, 0)).Run(); err != nil || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%v, not cut: %q", err, out.String())
	}
}

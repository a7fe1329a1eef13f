package runner

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	encjson "encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// json encodes the events of all data sources.
func json(s *plan.Source, env *event.Env) (event.Encoder, error) {
	return event.NewJSON(s.Layout, env, event.JSONOptions{}), nil
}

// lines is an encoder that writes the seq field of an event, one a line.
type lines struct{ seq *event.Field }

func (l lines) Begin(dst []byte) []byte { return append(dst, "begin\n"...) }
func (l lines) End(dst []byte) []byte   { return append(dst, "end\n"...) }
func (l lines) Append(dst []byte, rec *event.Record) []byte {
	return append(strconv.AppendUint(dst, binary.NativeEndian.Uint64(rec.Raw[l.seq.Offset:]), 10), '\n')
}

// calls makes n events by system calls that nothing else of the tests makes.
func calls(n int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range n {
		unix.Syscall(unix.SYS_GETPRIORITY, 0, 0, 0)
	}
}

// floodOptions are for the flood gadgets, with this process as their target.
func floodOptions(out *bytes.Buffer) Options {
	return Options{
		Host: true,
		Params: map[string]string{
			"target": strconv.Itoa(os.Getpid()), "syscall": strconv.Itoa(unix.SYS_GETPRIORITY),
		},
		Encoder: func(s *plan.Source, _ *event.Env) (event.Encoder, error) {
			return lines{s.Layout.Field("seq")}, nil
		},
		Out: out,
	}
}

// runUntil runs a gadget, calls work when it is ready and ends the run after it.
func runUntil(t *testing.T, p *plan.Plan, o Options, work func()) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	o.Ready = func() {
		go func() {
			work()
			cancel()
		}()
	}
	report, err := Run(ctx, p, o)
	if err != nil {
		t.Fatal(err)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Fatal("the run did not end")
	}
	return report
}

// TestLosses checks that every event is delivered or counted as lost, whoever
// counts: the gadget, the functions that we add, or a perf buffer's reader.
func TestLosses(t *testing.T) {
	gadgettest.NeedRoot(t)
	const sent = 300_000
	for _, gadget := range []string{"flood", "plainring", "perfbuf"} {
		t.Run(gadget, func(t *testing.T) {
			p := gadgettest.Plan(t, "testdata/"+gadget)
			var out bytes.Buffer
			o := floodOptions(&out)
			o.BufferSize = 64 << 10
			var told uint64
			o.Lost = func(source string, n, total uint64) {
				if told += n; told != total || source != gadget {
					t.Errorf("told of %d losses of %s, %d in all, after %d", n, source, total, told-n)
				}
			}
			report := runUntil(t, p, o, func() { calls(sent) })
			s := report.Sources[0]
			if s.Delivered+s.Lost != sent || s.LossUnknown {
				t.Errorf("delivered %d + lost %d, want %d; unknown: %v", s.Delivered, s.Lost, sent, s.LossUnknown)
			}
			if s.Lost == 0 || told != s.Lost || report.Lost() != s.Lost {
				t.Errorf("lost %d of a buffer that is too small, told of %d", s.Lost, told)
			}
			// A thread that moves to another processor goes on in another perf buffer.
			checkLines(t, out.String(), s.Delivered, gadget != "perfbuf")
		})
	}
}

// checkLines checks that the text has that many events, whole, and in order.
func checkLines(t *testing.T, text string, want uint64, ordered bool) {
	t.Helper()
	body, ok := strings.CutPrefix(text, "begin\n")
	body, ended := strings.CutSuffix(body, "end\n")
	if !ok || !ended {
		t.Errorf("output begins %.20q, ends %.20q", text, text[max(0, len(text)-20):])
	}
	var n uint64
	last := int64(-1)
	for line := range strings.Lines(body) {
		seq, err := strconv.ParseInt(strings.TrimSuffix(line, "\n"), 10, 64)
		if err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		if ordered && seq <= last {
			t.Fatalf("line %d: event %d after %d", n, seq, last)
		}
		last = seq
		n++
	}
	if n != want {
		t.Errorf("%d lines, want %d", n, want)
	}
}

// TestStop checks that what happened before the stop is delivered, at once.
func TestStop(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/flood")
	for range 5 {
		var out bytes.Buffer
		report := runUntil(t, p, floodOptions(&out), func() { calls(1000) })
		if s := report.Sources[0]; s.Delivered != 1000 || s.Lost != 0 {
			t.Errorf("delivered %d, lost %d, want 1000 and 0", s.Delivered, s.Lost)
		}
	}
}

func TestMaxEvents(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/flood")
	var out bytes.Buffer
	o := floodOptions(&out)
	o.MaxEvents = 7
	o.Ready = func() { go calls(1000) }
	report, err := Run(t.Context(), p, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := report.Sources[0].Delivered; got != 7 {
		t.Errorf("delivered %d, want 7", got)
	}
	checkLines(t, out.String(), 7, true)
}

func TestFilter(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/flood")
	var out bytes.Buffer
	o := floodOptions(&out)
	o.Filter = func(s *plan.Source, _ *event.Env) (func(*event.Record) bool, error) {
		offset := s.Layout.Field("seq").Offset
		return func(r *event.Record) bool { return r.Raw[offset]%2 == 0 }, nil
	}
	s := runUntil(t, p, o, func() { calls(100) }).Sources[0]
	if s.Delivered != 50 || s.Filtered != 50 {
		t.Errorf("delivered %d, filtered %d, want 50 and 50", s.Delivered, s.Filtered)
	}
}

// brokenPipe fails after its first write.
type brokenPipe struct{ writes int }

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.writes++; b.writes > 1 {
		return 0, unix.EPIPE
	}
	return len(p), nil
}

// TestBrokenOutput checks that a run ends when nobody reads its output.
func TestBrokenOutput(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/flood")
	o := floodOptions(nil)
	o.Out = &brokenPipe{}
	o.Ready = func() { go calls(10) }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := Run(ctx, p, o); !errors.Is(err, unix.EPIPE) {
		t.Errorf("error %v, want EPIPE", err)
	}
}

// TestRefusals checks what users are told when a gadget cannot run.
func TestRefusals(t *testing.T) {
	gadgettest.NeedRoot(t)
	tests := []struct {
		gadget string
		check  func(error) string
	}{
		{"missinghook", func(err error) string {
			if !errors.Is(err, fs.ErrNotExist) || err.Error() != "program never: this kernel has no tracepoint syscalls/sys_enter_teleport" {
				return "want the name of the missing tracepoint"
			}
			return ""
		}},
		{"notpermitted", func(err error) string {
			if !errors.Is(err, ErrNotPermitted) || !strings.Contains(err.Error(), `SEC "fmod_ret/bpf_modify_return_test"`) ||
				!strings.Contains(err.Error(), "it could change what functions of the kernel return") {
				return "want the section that is not permitted, and what it could do"
			}
			return ""
		}},
		{"refused", func(err error) string {
			var v *VerifierError
			switch {
			case !errors.As(err, &v):
				return "want a verifier error"
			case v.Program != "unchecked", !strings.Contains(v.At.Text, "*value += 1;"), v.Cause == "", len(v.Log) == 0:
				return fmt.Sprintf("program %q, source %q, cause %q, %d lines of log", v.Program, v.At.Text, v.Cause, len(v.Log))
			}
			return ""
		}},
	}
	for _, tt := range tests {
		t.Run(tt.gadget, func(t *testing.T) {
			_, err := Run(t.Context(), gadgettest.Plan(t, "testdata/"+tt.gadget), Options{Host: true})
			if err == nil {
				t.Fatal("it ran")
			}
			if complaint := tt.check(err); complaint != "" {
				t.Errorf("%s: %v", complaint, err)
			}
		})
	}
	t.Run("parameter", func(t *testing.T) {
		p := gadgettest.Plan(t, "testdata/flood")
		_, err := Run(t.Context(), p, Options{Params: map[string]string{"colour": "red"}})
		if err == nil || err.Error() != `the gadget has no parameter "colour"` {
			t.Errorf("error %v", err)
		}
	})
}

// TestSnapshot checks that an iterator gives one batch with everything in it,
// in the order asked for, and that the run then ends by itself.
func TestSnapshot(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/tasks")
	var out bytes.Buffer
	o := Options{Host: true, Out: &out, Encoder: json}
	o.Order = func(s *plan.Source, _ *event.Env) (func(a, b *event.Record) int, error) {
		pid := s.Layout.Field("pid")
		return func(a, b *event.Record) int { return cmp.Compare(pid.Int(b), pid.Int(a)) }, nil
	}
	if _, err := Run(t.Context(), p, o); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Fatalf("%d lines, want one array", n)
	}
	var rows []struct {
		Pid  int
		Comm string
	}
	decode(t, out.Bytes(), &rows)
	last, own := 1<<30, false
	for _, r := range rows {
		if r.Pid >= last {
			t.Errorf("process %d comes after %d", r.Pid, last)
		}
		last = r.Pid
		own = own || r.Pid == os.Getpid() && strings.HasPrefix("runner.test", r.Comm)
	}
	if !own {
		t.Errorf("this process is not among %d rows", len(rows))
	}
}

// TestMapIterator checks that a map is emptied by every batch, whatever its
// size, and once more at the end.
func TestMapIterator(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/counts")
	p.Sources[0].FinalFetch = true
	const arguments, rounds = 3000, 3
	var out bytes.Buffer
	o := floodOptions(&out)
	o.Params = map[string]string{"target": o.Params["target"], "syscall_nr": o.Params["syscall"]}
	o.Encoder, p.Sources[0].Interval = json, 100*time.Millisecond
	runUntil(t, p, o, func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for range rounds {
			for i := range arguments {
				unix.Syscall(unix.SYS_GETPRIORITY, uintptr(i)+5, 0, 0)
			}
			time.Sleep(30 * time.Millisecond)
		}
	})
	total := map[int]int{}
	for line := range bytes.Lines(out.Bytes()) {
		var rows []struct{ Argument, Calls, Pid int }
		decode(t, line, &rows)
		for _, r := range rows {
			if total[r.Argument] += r.Calls; r.Pid != os.Getpid() {
				t.Errorf("process %d in row %+v", r.Pid, r)
			}
		}
	}
	if len(total) != arguments {
		t.Errorf("%d keys, want %d", len(total), arguments)
	}
	for argument, n := range total {
		if n != rounds {
			t.Errorf("argument %d: %d calls, want %d", argument, n, rounds)
		}
	}
}

// TestMapIteratorLoss checks that what a full map had no room for is lost, when the
// gadget counts it.
func TestMapIteratorLoss(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/counts")
	p.Sources[0].Interval, p.Sources[0].FinalFetch = time.Hour, true
	var told uint64
	o := floodOptions(&bytes.Buffer{})
	o.Params = map[string]string{
		"target": o.Params["target"], "syscall_nr": o.Params["syscall"], "calls_max_entries": "16",
	}
	o.Encoder = json
	o.Lost = func(_ string, n, _ uint64) { told += n }
	report := runUntil(t, p, o, func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for i := range 100 {
			unix.Syscall(unix.SYS_GETPRIORITY, uintptr(i)+5, 0, 0)
		}
	})
	if s := report.Sources[0]; s.Delivered != 16 || s.Lost != 84 || told != 84 || s.LossUnknown {
		t.Errorf("%d rows and %d lost, told of %d; want 16 and 84; unknown: %v", s.Delivered, s.Lost, told, s.LossUnknown)
	}
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := encjson.Unmarshal(text, into); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
}

// TestAlternatives checks that the first program that works is used, and only
// that, and what is said when none does.
func TestAlternatives(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/alternatives")
	var out bytes.Buffer
	report := runUntil(t, p, floodOptions(&out), func() { calls(100) })
	if got := report.Sources[0].Delivered; got != 100 {
		t.Errorf("delivered %d, want 100", got)
	}

	p.Groups[0].Programs = []string{"by_fentry", "by_kprobe"}
	_, err := Run(t.Context(), p, floodOptions(&out))
	var attach *AttachError
	if err == nil || !strings.Contains(err.Error(), "none of the programs") || !errors.As(err, &attach) {
		t.Errorf("error %v", err)
	}
}

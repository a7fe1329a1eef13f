package view

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/testterminal"
)

// calls is a data source with a text, a number, and a text made of a number.
func calls() *event.Layout {
	return &event.Layout{Name: "calls", Array: true, Size: 20, Fields: []event.Field{
		{Name: "comm", Kind: event.CString, Size: 8, Column: event.Column{Width: 8, Fixed: true}},
		{Name: "pid", Kind: event.Uint32, Offset: 8, Size: 4, Column: event.Column{Width: 5, Right: true, Fixed: true}},
		{Name: "args", Kind: event.Uint8, Offset: 8, Size: 2, Count: 2, Hidden: true},
		{Name: "size", Kind: event.HumanSize, Offset: 12, Size: 8, Column: event.Column{Width: 8, Right: true, Fixed: true}},
	}}
}

type call struct {
	comm string
	pid  uint32
	size uint64
}

func (c call) record() *event.Record {
	raw := binary.NativeEndian.AppendUint32(append([]byte(c.comm), make([]byte, 8-len(c.comm))...), c.pid)
	return &event.Record{Raw: binary.NativeEndian.AppendUint64(raw, c.size)}
}

// shown is a Screen on a terminal, with the table of calls.
type shown struct {
	*Screen
	t       *testing.T
	term    *testterminal.Terminal
	encoder event.Encoder
	said    bytes.Buffer
	quits   atomic.Int64
}

func show(t *testing.T, term *testterminal.Terminal, o TableOptions) *shown {
	t.Helper()
	s := &shown{t: t, term: term}
	s.Screen = NewScreen(ScreenOptions{
		Out: term.Device, Keys: term.Device, Messages: &s.said, Quit: func() { s.quits.Add(1) },
	})
	o.Layout = calls()
	var err error
	if o.Columns.Fields, err = event.Select(o.Layout, ""); err != nil {
		t.Fatal(err)
	}
	if s.encoder, err = s.Table(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// batch gives the screen its next table. The records are overwritten at once, as
// those of a run are.
func (s *shown) batch(list ...call) {
	dst := s.encoder.Begin(nil)
	for _, c := range list {
		rec := c.record()
		dst = s.encoder.Append(dst, rec)
		clear(rec.Raw)
	}
	if dst = s.encoder.End(dst); len(dst) > 0 {
		s.t.Errorf("the encoder writes %q beside the screen", dst)
	}
}

var three = []call{{"cat", 300, 1500}, {"ls", 20, 2_000_000}, {"sh", 1, 7}}

func TestScreenTable(t *testing.T) {
	term := testterminal.New(t, 50, 6)
	term.Device.WriteString("$ gadget run top\r\n")
	before := term.Mode()
	s := show(t, term, TableOptions{Order: "-size"})
	s.Open()
	term.Shows("COMM       PID     SIZE\n\n\n\n\n0 of 0 rows by size ↓   < > sort   r reverse   q …\n")
	s.batch(three...)
	term.Shows(`
COMM       PID     SIZE
ls          20   2.0 MB
cat        300   1.5 kB
sh           1      7 B

3 of 3 rows by size ↓   < > sort   r reverse   q …
`)
	if state := term.State(); state.Cursor || state.Wraps || !slices.Equal(state.Scrolled, []string{"$ gadget run top"}) {
		t.Errorf("state %+v, want neither cursor nor wrapping, and what was there scrolled up", state)
	}

	// Fewer rows leave nothing behind.
	s.batch(call{"x", 5, 0})
	term.Shows(`
COMM       PID     SIZE
x            5      0 B



1 of 1 rows by size ↓   < > sort   r reverse   q …
`)

	// The last table stays, and everything is as before.
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	term.Device.WriteString("$ ")
	term.Shows(`
COMM       PID     SIZE
x            5      0 B
$
`)
	if diff := cmp.Diff(before, term.Mode()); diff != "" {
		t.Errorf("terminal settings (-before +after)\n%s", diff)
	}
	if state := term.State(); !state.Cursor || !state.Wraps {
		t.Errorf("state %+v, want cursor and wrapping", state)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	s.batch(three...)
	term.Press("r")
	time.Sleep(20 * time.Millisecond)
	if !strings.Contains(term.Text(), "\n$") {
		t.Errorf("drawn after the end:\n%s", term.Text())
	}
}

// Keys sort what is there at once.
func TestScreenKeys(t *testing.T) {
	term := testterminal.New(t, 60, 5)
	s := show(t, term, TableOptions{})
	s.Open()
	s.batch(three...)
	for _, step := range []struct{ key, by, rows string }{
		{"", "3 of 3 rows   < > sort   q quit", "cat        300   1.5 kB\nls          20   2.0 MB\nsh           1      7 B"},
		{">", "3 of 3 rows by comm ↑   < > sort   r reverse   q quit", "cat        300   1.5 kB\nls          20   2.0 MB\nsh           1      7 B"},
		{"r", "3 of 3 rows by comm ↓   < > sort   r reverse   q quit", "sh           1      7 B\nls          20   2.0 MB\ncat        300   1.5 kB"},
		{"\x1b[C", "3 of 3 rows by pid ↓   < > sort   r reverse   q quit", "cat        300   1.5 kB\nls          20   2.0 MB\nsh           1      7 B"},
		{".", "3 of 3 rows by size ↓   < > sort   r reverse   q quit", "ls          20   2.0 MB\ncat        300   1.5 kB\nsh           1      7 B"},
		{">", "3 of 3 rows by comm ↑   < > sort   r reverse   q quit", "cat        300   1.5 kB\nls          20   2.0 MB\nsh           1      7 B"},
		{"<r", "3 of 3 rows by size ↑   < > sort   r reverse   q quit", "sh           1      7 B\ncat        300   1.5 kB\nls          20   2.0 MB"},
		{"x\x1b[5~", "3 of 3 rows by size ↑   < > sort   r reverse   q quit", "sh           1      7 B\ncat        300   1.5 kB\nls          20   2.0 MB"},
	} {
		term.Press(step.key)
		term.Shows("COMM       PID     SIZE\n" + step.rows + "\n" + step.by + "\n")
	}
	term.Press("q")
	for end := time.Now().Add(5 * time.Second); s.quits.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("q does not quit")
		}
	}
}

// Rows that are equal keep the order that was asked for.
func TestScreenTies(t *testing.T) {
	term := testterminal.New(t, 60, 5)
	s := show(t, term, TableOptions{Order: "-pid"})
	s.Open()
	term.Press("<")
	term.Shows("COMM       PID     SIZE\n\n\n\n0 of 0 rows by comm ↑   < > sort   r reverse   q quit\n")
	s.batch(call{"b", 1, 1}, call{"a", 3, 2}, call{"a", 9, 3})
	term.Shows(`
COMM       PID     SIZE
a            9      3 B
a            3      2 B
b            1      1 B
3 of 3 rows by comm ↑   < > sort   r reverse   q quit
`)
}

// What does not fit is clipped, and shows when there is room.
func TestScreenSize(t *testing.T) {
	term := testterminal.New(t, 60, 4)
	s := show(t, term, TableOptions{Order: "comm"})
	s.Open()
	s.batch(three...)
	term.Shows(`
COMM       PID     SIZE
cat        300   1.5 kB
ls          20   2.0 MB
2 of 3 rows by comm ↑   < > sort   r reverse   q quit
`)
	resize := func(width, height int) {
		term.Resize(width, height)
		unix.Kill(os.Getpid(), unix.SIGWINCH)
	}
	resize(61, 8)
	term.Shows(`
COMM       PID     SIZE
cat        300   1.5 kB
ls          20   2.0 MB
sh           1      7 B



3 of 3 rows by comm ↑   < > sort   r reverse   q quit
`)
	resize(12, 3)
	term.Shows("COMM P… SIZE\ncat  3… 1.5…\n1 of 3 rows…\n")
	resize(12, 2)
	term.Shows("COMM P… SIZE\n0 of 3 rows…\n")
	resize(12, 1)
	term.Shows("COMM P… SIZE\n")
	resize(1, 1)
	term.Shows("…\n")
	if scrolled := term.State().Scrolled; len(scrolled) > 3 {
		t.Errorf("%d lines have scrolled up: %q", len(scrolled), scrolled)
	}
}

func TestScreenMaxRows(t *testing.T) {
	term := testterminal.New(t, 70, 6)
	s := show(t, term, TableOptions{Order: "comm", MaxRows: 1, Columns: event.ColumnOptions{NoHeaders: true}})
	s.Open()
	s.batch(three...)
	term.Press(">")
	term.Shows(`
cat        300   1.5 kB




1 of 3 rows by pid ↓   < > sort   r reverse   q quit
`)
}

// What is said meanwhile shows above the keys, and all of it comes out at the end.
func TestScreenMessages(t *testing.T) {
	term := testterminal.New(t, 60, 5)
	s := show(t, term, TableOptions{Order: "comm"})
	m := s.Messages()
	m.Write([]byte("before\n"))
	s.Open()
	s.batch(three...)
	m.Write([]byte("warning: lost 3 events\n"))
	m.Write([]byte("warning: \x1b[2J lost 4 events\n"))
	term.Shows(`
COMM       PID     SIZE
cat        300   1.5 kB
ls          20   2.0 MB
warning: \x1b[2J lost 4 events
2 of 3 rows by comm ↑   < > sort   r reverse   q quit
`)
	s.Close()
	m.Write([]byte("after\n"))
	if got, want := s.said.String(), "before\nwarning: lost 3 events\nwarning: \x1b[2J lost 4 events\nafter\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}

	s = show(t, term, TableOptions{})
	m = s.Messages()
	s.Open()
	for range maxHeld + 2 {
		m.Write([]byte("again\n"))
	}
	s.Close()
	if got := s.said.String(); !strings.HasPrefix(got, "(2 earlier messages are gone)\nagain\n") || strings.Count(got, "\n") != maxHeld+1 {
		t.Errorf("of many messages %q is left", got)
	}
}

// A signal that ends the run puts the settings right at once: the process may hang
// and be killed by the next one.
func TestScreenSignal(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM} {
		term := testterminal.New(t, 60, 5)
		before := term.Mode()
		s := show(t, term, TableOptions{Order: "comm"})
		s.Open()
		s.batch(three...)
		if got := term.Mode(); got.Lflag&(unix.ICANON|unix.ECHO) != 0 || got.Lflag&unix.ISIG == 0 || got.Oflag&unix.OPOST == 0 {
			t.Errorf("local flags %#x, output flags %#x while open", got.Lflag, got.Oflag)
		}
		unix.Kill(os.Getpid(), sig)
		for end := time.Now().Add(5 * time.Second); term.Mode() != before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s leaves the settings as they are", sig)
			}
		}
		s.batch(call{"last", 1, 1})
		s.Close()
		term.Shows("COMM       PID     SIZE\nlast         1      1 B\n")
		if state := term.State(); !state.Cursor || !state.Wraps {
			t.Errorf("%s: state %+v, want cursor and wrapping", sig, state)
		}
	}
}

// A panic passes by, but not before the terminal is as it was.
func TestScreenPanic(t *testing.T) {
	term := testterminal.New(t, 60, 5)
	before := term.Mode()
	s := show(t, term, TableOptions{})
	s.Open()
	func() {
		defer func() {
			if p := recover(); p != "bug" {
				t.Errorf("panic %v", p)
			}
		}()
		defer s.surrender()
		panic("bug")
	}()
	if diff := cmp.Diff(before, term.Mode()); diff != "" {
		t.Errorf("terminal settings (-before +after)\n%s", diff)
	}
}

// A process that ends at once leaves the settings right, also when a write hangs.
func TestScreenAbandon(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		term := testterminal.New(t, 60, 5)
		before := term.Mode()
		s := show(t, term, TableOptions{})
		s.Open()
		if hangs {
			s.mu.Lock()
		}
		s.Abandon()
		if diff := cmp.Diff(before, term.Mode()); diff != "" {
			t.Errorf("terminal settings (-before +after)\n%s", diff)
		}
		if hangs {
			s.mu.Unlock()
		}
	}
}

// Without a keyboard there are no keys, and nothing is changed.
func TestScreenWithoutKeyboard(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, keys := range []*os.File{nil, file} {
		term := testterminal.New(t, 60, 3)
		before := term.Mode()
		s := show(t, term, TableOptions{Order: "comm"})
		s.o.Keys = keys
		s.Open()
		s.batch(three[0])
		term.Shows("COMM       PID     SIZE\ncat        300   1.5 kB\n1 of 1 rows by comm ↑\n")
		if term.Mode() != before {
			t.Error("the settings have changed")
		}
		s.Close()
	}
}

// A terminal that is gone ends the run.
func TestScreenGone(t *testing.T) {
	term := testterminal.New(t, 60, 3)
	s := show(t, term, TableOptions{})
	s.Open()
	gone, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer gone.Close()
	s.mu.Lock()
	s.o.Out = gone
	s.mu.Unlock()
	s.batch(three...)
	s.batch(three...)
	if n := s.quits.Load(); n != 1 {
		t.Errorf("quit %d times, want once", n)
	}
	s.mu.Lock()
	s.o.Out = term.Device
	s.mu.Unlock()
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "write to the terminal") {
		t.Errorf("error %v", err)
	}
}

// Text is shown as it comes, as much as fits.
func TestScreenText(t *testing.T) {
	term := testterminal.New(t, 20, 5)
	s := NewScreen(ScreenOptions{Out: term.Device, Quit: func() {}, Messages: os.Stderr})
	defer s.Close()
	l := &event.Layout{Fields: []event.Field{{Name: "text", Kind: event.CString, Size: 256}}}
	e := s.Text(event.NewRaw(l, nil))
	s.Open()
	draw := func(text string) {
		rec := &event.Record{Raw: append([]byte(text), make([]byte, 256-len(text))...)}
		if dst := e.End(e.Append(e.Begin(nil), rec)); dst != nil {
			t.Errorf("the encoder writes %q beside the screen", dst)
		}
	}
	draw("latency\n1\t|**|\n2 |a line that is longer than the terminal|\n")
	term.Shows("latency\n1        |**|\n2 |a line that is l…\n")
	draw("1\n2\n3\n4\n5\n6")
	term.Shows("1\n2\n3\n4\n4 of 6 lines\n")
	draw("short, then longer than the terminal")
	term.Shows("short, then longer …\n")
	s.Close()
	term.Shows("short, then longer t\nhan the terminal\n")
}

// Everybody may use a screen at the same time.
func TestScreenTogether(t *testing.T) {
	term := testterminal.New(t, 80, 10)
	s := show(t, term, TableOptions{Order: "comm"})
	m := s.Messages()
	s.Open()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			m.Write([]byte("word\n"))
			unix.Kill(os.Getpid(), unix.SIGWINCH)
			term.Press("<r")
		}
	}()
	for range 50 {
		s.batch(three...)
	}
	<-done
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestKeysOf(t *testing.T) {
	for sent, want := range map[string][]key{
		"":                  nil,
		"q":                 {'q'},
		"<>r":               {'<', '>', 'r'},
		"\x1b[C\x1bOD":      {keyRight, keyLeft},
		"\x1b[1;5C":         {keyRight},
		"\x1b[5~\x1b[Aq":    {'q'},
		"\x1b":              nil,
		"\x1b[":             nil,
		"\x1b[1":            nil,
		"\x1bxq":            {'q'},
		"\x1b[200~q\x1b[6n": {'q'},
	} {
		if got := keysOf([]byte(sent)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", sent, got, want)
		}
	}
}

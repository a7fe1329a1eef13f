package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

// layout has a number, a text that follows, an added text and what containers have.
func layout() *event.Layout {
	l := &event.Layout{Name: "s", Size: 8, Fields: []event.Field{
		{Name: "n", Kind: event.Uint64, Size: 8},
		{Name: "tail", Kind: event.RestString, Offset: 8},
		{Name: "more", Kind: event.Added},
		{Name: "unit", Kind: event.Unit, Size: 4},
		{Name: "k8s.podLabels", Kind: event.FromContainer, Attr: event.K8sPodLabels},
		{Name: "runtime.containerName", Kind: event.FromContainer, Attr: event.RuntimeContainerName},
		{Name: "runtime.containerStartedAt", Kind: event.FromContainer, Attr: event.RuntimeStartedAt},
	}}
	l.Fields[0].Column.Replace = &l.Fields[1]
	l.Time = &l.Fields[0]
	return l
}

func record(n uint64, tail string, c *event.Container) *event.Record {
	raw := binary.NativeEndian.AppendUint64(nil, n)
	return &event.Record{Raw: append(raw, tail...), Container: c, Added: [][]byte{[]byte("added")}}
}

func ring(t testing.TB, keep int64) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history")
	w, err := Create(path, keep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w, path
}

// read returns all that a reader has for now, as JSON lines.
func read(t testing.TB, r *Reader, d *Decoder) (text string, missed uint64) {
	t.Helper()
	var out []byte
	for {
		b, n, err := r.Next()
		if errors.Is(err, ErrNoMore) {
			return string(out), missed
		}
		if err != nil {
			t.Fatal(err)
		}
		missed += n
		if out, err = d.Decode(out, b); err != nil {
			t.Fatal(err)
		}
	}
}

func jsonDecoder(l *event.Layout) *Decoder {
	return NewDecoder([]Sink{{Encoder: event.NewJSON(l, &event.Env{}, event.JSONOptions{Lines: true})}})
}

// TestRoundTrip wants the same text from what was kept as from the records.
func TestRoundTrip(t *testing.T) {
	web := &event.Container{Name: "web", PodLabels: "a=b", StartedAt: 7, PID: 3, HostNetwork: true}
	db := &event.Container{Name: "db"}
	records := []*event.Record{
		record(1, "one", web), record(2, "", nil), record(3, "three", db), record(4, "four", web), record(5, strings.Repeat("x", 300), db),
	}
	direct := event.NewJSON(layout(), &event.Env{}, event.JSONOptions{})
	var want []byte
	w, path := ring(t, 0)
	enc := NewEncoder(0, layout(), &event.Env{})
	var block []byte
	for i, r := range records {
		want = direct.Append(want, r)
		block = enc.Append(block, r)
		if i%2 == 1 {
			_, _ = w.Write(block)
			block = block[:0]
		}
	}
	_, _ = w.Write(block)

	text, err := Describe([]*plan.Source{{Name: "s", Layout: layout()}}, &event.Env{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDescription(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, missed := read(t, r, jsonDecoder(d.Sources[0].Layout))
	if diff := cmp.Diff(string(want), got); diff != "" || missed != 0 {
		t.Errorf("missed %d (-records +history)\n%s", missed, diff)
	}
	if stats := w.Stats(); stats.Records != 5 || stats.Overwritten != 0 {
		t.Errorf("stats %+v", stats)
	}
}

// TestMomentary: what only the moment of the event knows is kept.
func TestMomentary(t *testing.T) {
	env := &event.Env{Place: func(pid uint32) (string, string) { return fmt.Sprintf("%d.service", pid), "/x" }}
	w, path := ring(t, 0)
	_, _ = w.Write(NewEncoder(0, layout(), env).Append(nil, record(7, "", nil)))
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, _ := read(t, r, jsonDecoder(kept(layout()))); !strings.Contains(text, `"more":"added"`) || !strings.Contains(text, `"unit":"7.service"`) {
		t.Error(text)
	}
}

// TestContainers: all that is known of a container is kept but for the labels one by one.
func TestContainers(t *testing.T) {
	want := &event.Container{}
	v := reflect.ValueOf(want).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(v.Type().Field(i).Name)
		case reflect.Uint32, reflect.Uint64:
			f.SetUint(uint64(i + 1))
		case reflect.Int64:
			f.SetInt(int64(i + 1))
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Map:
		default:
			t.Errorf("%s: nobody knows how to keep it", v.Type().Field(i).Name)
		}
	}
	r := frames{rest: appendContainer(nil, want)}
	if diff := cmp.Diff(want, r.container()); diff != "" || r.bad {
		t.Errorf("(-container +kept)\n%s", diff)
	}
}

// TestNames: every kind of field and attribute of containers that a plan uses has a
// name in files, the right one.
func TestNames(t *testing.T) {
	md, _, err := schemas.ParseMetadata("gadget.yaml", []byte("operator:\n  process:\n    emitstats: true\n  cgroup:\n    emitstats: true\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(nil, md)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Describe(p.Sources, &event.Env{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDescription(text)
	if err != nil || len(d.Sources) != 2 {
		t.Fatal(len(d.Sources), err)
	}
	for i, s := range d.Sources {
		if diff := cmp.Diff(kept(p.Sources[i].Layout), s.Layout, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-plan +read)\n%s", s.Name, diff)
		}
	}
	for k := event.Invalid; k <= event.FromPeer; k++ {
		var back event.Kind
		if text, err := k.MarshalText(); err != nil || back.UnmarshalText(text) != nil || back != k {
			t.Errorf("kind %d is %q in files: %v", k, text, err)
		}
	}
}

// TestOverwritten fills a ring many times over: what is there is the newest, without
// a gap, and the rest is counted.
func TestOverwritten(t *testing.T) {
	w, path := ring(t, MinKeep)
	enc := NewEncoder(0, layout(), &event.Env{})
	const n = 20000
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dec := jsonDecoder(layout())
	for i := range n {
		_, _ = w.Write(enc.Append(nil, record(uint64(i), strings.Repeat("y", i%200), nil)))
	}
	text, missed := read(t, r, dec)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if missed == 0 || uint64(len(lines))+missed != n {
		t.Fatalf("%d lines and %d missed of %d", len(lines), missed, n)
	}
	for i, line := range lines {
		if want := fmt.Sprintf(`"n":%d,`, missed+uint64(i)); !strings.Contains(line, want) {
			t.Fatalf("line %d is %.80s, want %s", i, line, want)
		}
	}
	if stats := w.Stats(); stats.Overwritten != missed || stats.Bytes > stats.Capacity {
		t.Errorf("stats %+v, missed %d", stats, missed)
	}
	// A reader that has read all misses nothing, one that sleeps is told.
	_, _ = w.Write(enc.Append(nil, record(n, "", nil)))
	if text, missed := read(t, r, dec); strings.Count(text, "\n") != 1 || missed != 0 {
		t.Errorf("then %q, missed %d", text, missed)
	}
}

// TestTooLarge leaves out what has no room at all.
func TestTooLarge(t *testing.T) {
	w, path := ring(t, MinKeep)
	enc := NewEncoder(0, layout(), &event.Env{})
	_, _ = w.Write(enc.Append(nil, record(1, strings.Repeat("z", MinKeep), nil)))
	_, _ = w.Write(enc.Append(nil, record(2, "", nil)))
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, missed := read(t, r, jsonDecoder(layout()))
	if missed != 1 || !strings.Contains(text, `"n":2`) {
		t.Errorf("missed %d, read %q", missed, text)
	}
	if stats := w.Stats(); stats.LeftOut != 1 {
		t.Errorf("stats %+v", stats)
	}
}

// TestWhileWriting reads while the writer laps the reader: every line is whole, in
// order, and with the missed ones they are all.
func TestWhileWriting(t *testing.T) {
	w, path := ring(t, MinKeep)
	const n = 50000
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		enc := NewEncoder(0, layout(), &event.Env{})
		for i := range n {
			_, _ = w.Write(enc.Append(nil, record(uint64(i), strings.Repeat("y", i%100), nil)))
		}
	})
	dec := jsonDecoder(layout())
	var seen, missed uint64
	for seen+missed < n {
		text, m := read(t, r, dec)
		missed += m
		seen += uint64(strings.Count(text, "\n"))
	}
	group.Wait()
	if seen+missed != n {
		t.Errorf("seen %d, missed %d of %d", seen, missed, n)
	}
}

// TestTables passes over whole batches, and calls Begin and End for them.
func TestTables(t *testing.T) {
	l := layout()
	l.Array = true
	w, path := ring(t, 0)
	enc := NewEncoder(0, layout(), &event.Env{})
	for i := range 3 {
		b := enc.Begin(nil)
		for j := range i {
			b = enc.Append(b, record(uint64(10*i+j), "", nil))
		}
		_, _ = w.Write(enc.End(b))
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dec := NewDecoder([]Sink{{Encoder: event.NewJSON(l, &event.Env{}, event.JSONOptions{}), Table: true,
		Filter: func(r *event.Record) bool { return l.Fields[0].Uint(r) != 20 }}})
	dec.Skip = 1
	text, _ := read(t, r, dec)
	if lines := strings.Split(strings.TrimSpace(text), "\n"); len(lines) != 2 || dec.Units != 3 ||
		strings.Count(lines[0], `"n":10,`) != 1 || strings.Count(lines[1], `"n":`) != 1 {
		t.Errorf("%d units: %s", dec.Units, text)
	}
}

// TestDamaged refuses files that are no rings, and blocks that were changed.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "short": "gadgethi", "other": strings.Repeat("x", 8192)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w, path := ring(t, 0)
	_, _ = w.Write(NewEncoder(0, layout(), &event.Env{}).Append(nil, record(1, "abc", nil)))
	w.ring[headSize+12] ^= 1
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, _, err := r.Next(); !errors.Is(err, errDamaged) {
		t.Errorf("changed block: %v", err)
	}
}

// TestNoAllocations: keeping a record costs none.
func TestNoAllocations(t *testing.T) {
	w, _ := ring(t, 0)
	enc := NewEncoder(0, layout(), &event.Env{})
	rec := record(1, "some text", &event.Container{Name: "web"})
	buf := make([]byte, 0, 64<<10)
	if n := testing.AllocsPerRun(1000, func() {
		for range 20 {
			buf = enc.Append(buf, rec)
		}
		_, _ = w.Write(buf)
		buf = buf[:0]
	}); n != 0 {
		t.Errorf("%v allocations for 20 records", n)
	}
}

func FuzzDecode(f *testing.F) {
	enc := NewEncoder(0, layout(), &event.Env{})
	b := enc.Append(nil, record(1, "one", &event.Container{Name: "web", PID: 2}))
	f.Add(b)
	f.Add(enc.End(enc.Append(enc.Begin(nil), record(2, "", nil))))
	f.Add(b[:len(b)-3])
	l := layout()
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, table := range []bool{false, true} {
			d := NewDecoder([]Sink{{Encoder: event.NewJSON(l, &event.Env{}, event.JSONOptions{}), Table: table}})
			_, _ = d.Decode(nil, Block{Payload: payload})
		}
	})
}

func FuzzDescription(f *testing.F) {
	text, err := Describe([]*plan.Source{{Name: "s", Layout: layout()}}, &event.Env{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		if d, err := ParseDescription(text); err == nil {
			d.Plan()
		}
	})
}

// BenchmarkKeep is the cost of keeping an event: from the record to the ring. The
// record has 200 bytes and a container, a block 100 records.
func BenchmarkKeep(b *testing.B) {
	w, _ := ring(b, 10<<20)
	enc := NewEncoder(0, layout(), &event.Env{})
	rec := &event.Record{Raw: make([]byte, 200), Container: &event.Container{Name: "web"}}
	buf := make([]byte, 0, 64<<10)
	b.ReportAllocs()
	for i := range b.N {
		buf = enc.Append(buf, rec)
		if i%100 == 99 {
			_, _ = w.Write(buf)
			buf = buf[:0]
		}
	}
}

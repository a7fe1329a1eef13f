package metric

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/gadget-bpf/gadget/internal/event"
)

var update = flag.Bool("update", false, "write golden files anew")

// table makes a layout and its records: all numbers have eight bytes.
type table struct {
	layout event.Layout
	size   int
}

func (b *table) add(name string, kind event.Kind, annotations ...string) *event.Field {
	f := event.Field{Name: name, Kind: kind, Offset: b.size, Size: 8, Annotations: map[string]string{}}
	for i := 0; i+1 < len(annotations); i += 2 {
		f.Annotations["metrics."+annotations[i]] = annotations[i+1]
	}
	b.size += 8
	b.layout.Fields = append(b.layout.Fields, f)
	return &b.layout.Fields[len(b.layout.Fields)-1]
}

// slots adds an array of counts, a histogram by its type.
func (b *table) slots(name string, n int, annotations ...string) *table {
	f := b.add(name, event.Uint64, annotations...)
	f.Size, f.Count, f.Tags = 8*n, n, []string{"type:gadget_histogram_slot__u64"}
	b.size += 8 * (n - 1)
	return b
}

// record is one record with these values, in the order of the layout.
func (b *table) record(values ...any) *event.Record {
	raw := make([]byte, 0, b.size)
	for _, v := range values {
		switch v := v.(type) {
		case int:
			raw = binary.NativeEndian.AppendUint64(raw, uint64(v))
		case uint64:
			raw = binary.NativeEndian.AppendUint64(raw, v)
		case float64:
			raw = binary.NativeEndian.AppendUint64(raw, math.Float64bits(v))
		case string:
			raw = append(raw, fmt.Appendf(nil, "%-8s", v)[:8]...)
			raw = []byte(strings.ReplaceAll(string(raw), " ", "\x00"))
		}
	}
	return &event.Record{Raw: raw}
}

func (b *table) set(t testing.TB) *Set {
	t.Helper()
	set, problems := FromLayout(&b.layout)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Field, p.Message)
	}
	if set == nil {
		t.Fatal("no metrics")
	}
	return set
}

// raw is the encoder of drawings for a terminal.
func raw() event.Encoder { return event.NewRaw(RenderedLayout("x-rendered", nil), nil) }

// collect returns what a view shows of records.
func collect(t testing.TB, b *table, o Options, recs ...*event.Record) string {
	t.Helper()
	c := NewCollector(b.set(t), nil, o)
	dst := c.Begin(nil)
	for _, r := range recs {
		dst = c.Append(dst, r)
	}
	return string(c.End(dst))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update accepts it:\n%s", name, diff)
	}
}

// scenario is a layout with records, drawn into a golden file of its name.
type scenario struct {
	name  string
	width int
	table func() *table
	recs  func(b *table) []*event.Record
}

func latency() *table {
	return (&table{}).slots("latency", 27, "unit", "µs", "description", "Time that requests took")
}

// spread are counts around the n-th slot.
func spread(counts ...uint64) []any {
	values := make([]any, 27)
	for i := range values {
		values[i] = 0
		if i >= 6 && i-6 < len(counts) {
			values[i] = counts[i-6]
		}
	}
	return values
}

// operations has keys, counters, a gauge and a histogram of plain values.
func operations() *table {
	b := &table{layout: event.Layout{Annotations: map[string]string{implicitName: "requests"}}}
	b.add("op", event.CString, "type", "key").Column.Title = "operation"
	b.add("pid", event.Uint64, "type", "key").Column.Right = true
	b.add("bytes", event.Uint64, "unit", "B").Tags = []string{"type:gadget_counter__u64", "type:__u64"}
	b.add("depth", event.Int64, "type", "gauge", "name", "queue depth", "description", "Requests that wait")
	b.add("load", event.Float64, "type", "gauge")
	b.add("size", event.Uint64, "type", "histogram", "boundaries", "0, 512,4096", "unit", "B")
	b.add("unused", event.Uint64)
	return b
}

func operationsRecords(b *table) []*event.Record {
	return []*event.Record{
		b.record("read", 7, 10, 3, 0.25, 512, 0),
		b.record("write", 7, 4096, -2, 1.5, 4096, 0),
		b.record("read", 7, 4, 9, 0.5, 513, 0),
		b.record("\x1b[2J", 8, 1, 0, 0.0, 100000, 0),
		b.record("", 9, 0, 0, 0.0, 0, 0),
	}
}

var scenarios = []scenario{
	{"empty", 0, latency, nil},
	{"empty-table", 0, operations, nil},
	{"one", 0, latency, func(b *table) []*event.Record { return []*event.Record{b.record(spread(3)...)} }},
	{"many", 0, latency, func(b *table) []*event.Record {
		return []*event.Record{b.record(spread(3, 40, 0, 371, 12)...), b.record(spread(1, 0, 0, 0, 0, 0, 0, 1)...)}
	}},
	{"narrow", 40, latency, func(b *table) []*event.Record { return []*event.Record{b.record(spread(3, 40, 0, 371, 12)...)} }},
	{"no-bar", 24, latency, func(b *table) []*event.Record { return []*event.Record{b.record(spread(3, 40, 0, 371, 12)...)} }},
	{"wide", 120, latency, func(b *table) []*event.Record { return []*event.Record{b.record(spread(3, 40, 0, 371, 12)...)} }},
	{"huge", 0, func() *table { return (&table{}).slots("n", 65) }, func(b *table) []*event.Record {
		values := make([]any, 65)
		for i := range values {
			values[i] = 0
		}
		values[0], values[1], values[63], values[64] = uint64(math.MaxUint64), 1, uint64(1<<62), uint64(math.MaxUint64)
		return []*event.Record{b.record(values...), b.record(values...)}
	}},
	{"keys", 0, operations, operationsRecords},
	{"keys-terminal", 60, operations, operationsRecords},
	{"empty-keys", 0, func() *table {
		b := &table{}
		b.add("disk", event.CString, "type", "key")
		b.add("op", event.CString, "type", "key")
		b.add("n", event.Uint64, "type", "counter")
		b.add("h", event.Uint64, "type", "histogram")
		return b
	}, func(b *table) []*event.Record {
		return []*event.Record{b.record("", "a=b", 1, 1), b.record("", "", 2, 1), b.record("", "c", 1, 1)}
	}},
	{"signed", 0, func() *table {
		b := &table{}
		b.add("delta", event.Int64, "type", "histogram")
		b.add("ratio", event.Float64, "type", "histogram")
		b.add("share", event.Float64, "type", "histogram", "boundaries", "-1,0.5,1e300")
		return b
	}, func(b *table) []*event.Record {
		return []*event.Record{
			b.record(-5, -0.5, -1.0), b.record(0, 0.0, 0.5), b.record(1, 0.5, 0.6), b.record(7, 1.0, 1e300),
			b.record(math.MaxInt64, 1.01, math.Inf(1)), b.record(2, math.Inf(1), math.Inf(-1)), b.record(3, 4.0, math.NaN()),
		}
	}},
	{"odd-slots", 0, func() *table {
		b := (&table{}).slots("few", 3)
		return b.slots("bounded", 3, "boundaries", "10,20")
	}, func(b *table) []*event.Record { return []*event.Record{b.record(1, 2, 3, 4, 5, 6)} }},
	{"too-many-slots", 0, func() *table { return (&table{}).slots("n", 100) }, func(b *table) []*event.Record {
		values := make([]any, 100)
		for i := range values {
			values[i] = 1
		}
		return []*event.Record{b.record(values...)}
	}},
	{"unfit", 0, func() *table {
		b := &table{}
		b.add("n", event.Int64, "type", "counter")
		b.add("f", event.Float64, "type", "counter")
		b.add("g", event.Float64, "type", "gauge")
		return b
	}, func(b *table) []*event.Record {
		return []*event.Record{
			b.record(5, 1.5, 0.0), b.record(-3, math.NaN(), 0.0), b.record(math.MaxInt64, math.Inf(1), 0.0),
			b.record(math.MaxInt64, -1.0, math.NaN()), b.record(math.MaxInt64, 0.25, math.Inf(-1)),
		}
	}},
}

func TestDrawings(t *testing.T) {
	for _, tt := range scenarios {
		t.Run(tt.name, func(t *testing.T) {
			b := tt.table()
			var recs []*event.Record
			if tt.recs != nil {
				recs = tt.recs(b)
			}
			got := collect(t, b, Options{Views: []View{Drawing(raw(), tt.width)}}, recs...)
			golden(t, tt.name+".txt", got)
			for line := range strings.Lines(got) {
				if n := len([]rune(strings.TrimRight(line, "\n"))); tt.width > 0 && n > tt.width && tt.name != "no-bar" {
					t.Errorf("line of %d cells, wider than %d: %s", n, tt.width, line)
				}
			}
			lines := collect(t, b, Options{Views: []View{JSON(Lines)}}, recs...)
			golden(t, tt.name+".json", lines)
			checkJSON(t, lines)
			checkSchema(t, b.set(t), lines)
		})
	}
}

// checkJSON checks that lines are objects whose buckets add up to their count.
func checkJSON(t *testing.T, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		var o struct {
			Name, Type string
			Count      uint64
			Buckets    []struct{ Count uint64 }
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		var all uint64
		for _, b := range o.Buckets {
			all = sum(all, b.Count)
		}
		if o.Type == "histogram" && all != o.Count || o.Name == "" {
			t.Errorf("buckets add up to %d: %s", all, line)
		}
	}
}

// checkSchema checks that lines are what the schema of the set says.
func checkSchema(t *testing.T, set *Set, lines string) {
	t.Helper()
	text, err := json.Marshal(Schema(set, Lines))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("series.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("series.json")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(lines) {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err == nil {
			err = schema.Validate(v)
		}
		if err != nil {
			t.Errorf("%v: %s", err, line)
		}
	}
}

func TestForms(t *testing.T) {
	b := operations()
	for form, name := range map[Form]string{Array: "array", Indented: "indented", Documents: "documents"} {
		golden(t, name+".json", collect(t, b, Options{Views: []View{JSON(form)}}, operationsRecords(b)[:2]...))
		want := map[Form]string{Array: "[]\n", Indented: "[]\n", Documents: ""}[form]
		if got := collect(t, b, Options{Views: []View{JSON(form)}}); got != want {
			t.Errorf("%s of nothing: %q", name, got)
		}
	}
}

// A drawing is one event with a text, whatever encoder prints it.
func TestDrawingAsJSON(t *testing.T) {
	b := latency()
	enc := event.NewJSON(RenderedLayout("latency-rendered", nil), nil, event.JSONOptions{})
	got := collect(t, b, Options{Views: []View{Drawing(enc, 40)}}, b.record(spread(1)...))
	want := `{"text":"latency (µs): Time that requests took\n  [32 -> 63] : 1 |*********************|\n"}` + "\n"
	if got != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestProblems(t *testing.T) {
	number := func(kind event.Kind, annotations ...string) *table {
		b := &table{}
		b.add("f", kind, annotations...)
		return b
	}
	array := func(kind event.Kind, typ string) *table {
		b := number(kind, "type", typ)
		b.layout.Fields[0].Count, b.layout.Fields[0].Size = 4, 32
		return b
	}
	scalarSlot := number(event.Uint64)
	scalarSlot.layout.Fields[0].Tags = []string{"type:gadget_histogram_slot__u64"}
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprint(i))
	}
	for _, tt := range []struct {
		name  string
		table *table
		want  string
	}{
		{"type", number(event.Uint64, "type", "summary"), `metrics.type: "summary" is not a type of metric`},
		{"text", number(event.CString, "type", "counter"), "a counter is made of numbers, and this is text"},
		{"bool", number(event.Bool, "type", "gauge"), "a gauge is made of numbers"},
		{"array", array(event.Uint64, "counter"), "a counter is one number, and this is an array of 4"},
		{"signed slots", array(event.Int64, "histogram"), "the counts of a histogram are unsigned integers"},
		{"scalar slot", scalarSlot, "the slots of a histogram are an array"},
		{"no value", number(event.Invalid, "type", "key"), "a field without a value cannot be a key"},
		{"words", number(event.Uint64, "type", "histogram", "boundaries", "1,two"), `metrics.boundaries: "two" is not a number`},
		{"infinite", number(event.Float64, "type", "histogram", "boundaries", "1,inf"), `"inf" is not a number`},
		{"order", number(event.Float64, "type", "histogram", "boundaries", "1,1"), "1 is not above the number before it"},
		{"whole", number(event.Uint64, "type", "histogram", "boundaries", "1.1,1.9"), "1.9 is not above the number before it"},
		{"too many", number(event.Uint64, "type", "histogram", "boundaries", strings.Join(many, ",")), "more than 256 numbers"},
		{"many counts", (&table{}).slots("f", 258), "a histogram of 258 counts has too many; there may be 257"},
		{"ranges", (&table{}).slots("f", 4, "boundaries", "1,2"), "2 boundaries make 3 ranges, and the array has 4 counts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, problems := FromLayout(&tt.table.layout)
			if set != nil || len(problems) != 1 || problems[0].Field != "f" || !strings.Contains(problems[0].Message, tt.want) {
				t.Errorf("set %v, problems %+v, want %q", set, problems, tt.want)
			}
		})
	}
	if set, problems := FromLayout(&operations().layout); set == nil || len(set.Keys) != 2 || len(set.Metrics) != 5 || problems != nil {
		t.Errorf("%+v, %v", set, problems)
	}
}

// More series than there is room for share one, and it is said.
func TestManySeries(t *testing.T) {
	b := &table{}
	b.add("key", event.Uint64, "type", "key")
	b.add("n", event.Uint64, "type", "counter")
	b.add("h", event.Uint64, "type", "histogram")
	c := NewCollector(b.set(t), nil, Options{Views: []View{JSON(Lines)}})
	for i := range 10_000 {
		c.Append(nil, b.record(i, 2, i))
	}
	if len(c.series) != maxSeries || c.beyond != 10_000-maxSeries {
		t.Errorf("%d series, %d records beyond", len(c.series), c.beyond)
	}
	out := string(c.End(nil))
	checkJSON(t, out)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if want := `{"keys":{},"name":"n","other":true,"type":"counter","unit":"","value":16000}`; len(lines) != 2*(maxSeries+1) || lines[len(lines)-2] != want {
		t.Errorf("%d lines, other is %s", len(lines), lines[len(lines)-2])
	}
	c.opts = Options{Views: []View{Drawing(raw(), 0)}, MaxSeries: 2}
	golden(t, "series.txt", string(c.End(nil)))
}

// Keys that are long, or hold what separates keys, stay apart.
func TestKeys(t *testing.T) {
	b := &table{}
	for _, name := range []string{"a", "b"} {
		b.add(name, event.Added, "type", "key")
		b.layout.Fields[len(b.layout.Fields)-1].Slot = len(b.layout.Fields) - 1
	}
	b.layout.Annotations = map[string]string{implicitName: "n"}
	c := NewCollector(b.set(t), nil, Options{Views: []View{JSON(Lines)}})
	long := strings.Repeat("x", 5000)
	for _, keys := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"", "abc"}, {"abc", ""}, {"a\x00b", "c"}, {long, "1"}, {long + "y", "1"}} {
		c.Append(nil, &event.Record{Added: [][]byte{[]byte(keys[0]), []byte(keys[1])}})
	}
	if len(c.series) != 6 {
		t.Errorf("%d series, want 6: texts that differ after %d bytes are one", len(c.series), maxKey)
	}
	checkJSON(t, string(c.End(nil)))
}

// A record of a series that exists costs no allocation.
func TestAllocations(t *testing.T) {
	b := operations()
	c := NewCollector(b.set(t), nil, Options{})
	recs := operationsRecords(b)
	for _, r := range recs {
		c.Append(nil, r)
	}
	s := latency()
	slots := NewCollector(s.set(t), nil, Options{})
	counts := s.record(spread(1, 2, 3)...)
	slots.Append(nil, counts)
	n := testing.AllocsPerRun(100, func() {
		for _, r := range recs {
			c.Append(nil, r)
		}
		slots.Append(nil, counts)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Whatever the boundaries, a number lies in the range that says so.
func FuzzScale(f *testing.F) {
	f.Add("", 0.5, int64(-1))
	f.Add("0,512,4096", 512.0, int64(513))
	f.Add("-1.5, 0.25,1e300", -1.5, int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, text string, v float64, n int64) {
		for _, whole := range []bool{true, false} {
			bounds, err := parseBounds(text, whole)
			if err != nil {
				return
			}
			s := powerScale(whole, 0)
			if bounds != nil {
				s = boundedScale(bounds, whole)
			}
			if whole {
				inside(t, s, s.signed(n), float64(n))
				inside(t, s, s.unsigned(uint64(n)), float64(uint64(n)))
			} else if !math.IsNaN(v) {
				inside(t, s, s.floating(v), v)
			}
		}
	})
}

func inside(t *testing.T, s *scale, i int, v float64) {
	t.Helper()
	from, to := math.Inf(-1), math.Inf(1)
	var errFrom, errTo error
	if r := s.ranges[i]; r.from != "" {
		from, errFrom = strconv.ParseFloat(r.from, 64)
	}
	if r := s.ranges[i]; r.to != "" {
		to, errTo = strconv.ParseFloat(r.to, 64)
	}
	above := v > from || s.whole && v == from || math.IsInf(v, -1)
	if errFrom != nil || errTo != nil || !above || v > to {
		t.Errorf("%v lies in %s", v, s.appendRange(nil, i))
	}
}

func BenchmarkAppend(b *testing.B) {
	t := operations()
	c := NewCollector(t.set(b), nil, Options{})
	rec := operationsRecords(t)[0]
	b.ReportAllocs()
	for b.Loop() {
		c.Append(nil, rec)
	}
}

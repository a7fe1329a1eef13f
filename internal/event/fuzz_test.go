package event

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// randomLayout is any layout at all: plan's are kinder.
func randomLayout(r *rand.Rand, names string) *Layout {
	l := &Layout{Array: r.IntN(2) == 0, Size: r.IntN(64)}
	parts := strings.Split(names, ",")
	for range r.IntN(20) {
		name := parts[r.IntN(len(parts))]
		for r.IntN(2) == 0 {
			name += "." + parts[r.IntN(len(parts))]
		}
		f := Field{
			Name: name, Kind: Kind(r.IntN(int(Added) + 2)), Offset: r.IntN(80) - 5, Size: r.IntN(70) - 2,
			LenOffset: r.IntN(80) - 5, HasLen: r.IntN(2) == 0, Signed: r.IntN(2) == 0,
			Attr: ContainerAttr(r.IntN(17)), Slot: r.IntN(4) - 1, Hidden: r.IntN(4) == 0, SkipJSON: r.IntN(8) == 0,
			Order: r.IntN(3), Format: []string{"", "", "\x1b", time.Kitchen}[r.IntN(4)],
			Column: Column{
				Width: r.IntN(30) - 2, MinWidth: r.IntN(10) - 1, MaxWidth: r.IntN(40) - 2, Right: r.IntN(2) == 0,
				Ellipsis: Ellipsis(r.IntN(5)), Fixed: r.IntN(4) == 0, Hex: r.IntN(4) == 0, Precision: r.IntN(30) - 1,
			},
		}
		if r.IntN(3) == 0 {
			f.Count = r.IntN(9)
		}
		if r.IntN(2) == 0 {
			f.Enum = &Enum{Values: []EnumValue{{"A\x1b", 1}, {"B", 2}, {"日", 1 << 40}}}
		}
		l.Fields = append(l.Fields, f)
	}
	return l
}

func randomRecords(r *rand.Rand, data []byte) []*Record {
	var recs []*Record
	for range 1 + r.IntN(3) {
		rec := &Record{Raw: data[r.IntN(len(data)+1):]}
		text := string(rec.Raw[:len(rec.Raw)/2])
		if r.IntN(2) == 0 {
			rec.Container = &Container{Name: text, PodLabels: text, Runtime: "docker", PID: r.Uint32()}
		}
		if r.IntN(2) == 0 {
			rec.Added = [][]byte{rec.Raw, nil}
		}
		recs = append(recs, rec)
	}
	return recs
}

// FuzzEncoders checks of any records of any layout that nothing panics, that JSON
// and YAML can be read back, and that a table has no line wider than the
// terminal and nothing in it that a terminal would obey.
func FuzzEncoders(f *testing.F) {
	f.Add(uint64(1), "a,b,c d", []byte("some text\x00 with \x1b[2J \xff and \xe6\x97\xa5\xe6\x9c\xac, \xe2\x80\xae"))
	f.Add(uint64(2), "proc,comm,é,\x1b,: #", bytes.Repeat([]byte{0, 1, 2, 0xff, 0x80}, 60))
	f.Fuzz(func(t *testing.T, seed uint64, names string, data []byte) {
		if len(names) > 200 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		l, recs := randomLayout(r, names), randomRecords(r, data)
		for _, o := range []JSONOptions{{}, {Lines: true}, {Indent: true}} {
			text := encode(NewJSON(l, testEnv, o), recs...)
			if !utf8.ValidString(text) {
				t.Errorf("JSON is not UTF-8: %q", text)
			}
			d := json.NewDecoder(strings.NewReader(text))
			for d.More() {
				var v any
				if err := d.Decode(&v); err != nil {
					t.Fatalf("%v in %s", err, text)
				}
			}
		}
		for _, rec := range recs {
			readBack(t, l, rec)
		}
		for _, width := range []int{0, 1, 2, 7, 40, 200} {
			checkTable(t, encode(NewColumns(l, testEnv, ColumnOptions{Width: width}), recs...), width, len(recs)+1)
		}
	})
}

func checkTable(t *testing.T, text string, width, lines int) {
	t.Helper()
	if n := strings.Count(text, "\n"); n != lines || !strings.HasSuffix(text, "\n") {
		t.Errorf("%d lines, want %d: %q", n, lines, text)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if cells := textWidth([]byte(line)); width > 0 && cells > width {
			t.Errorf("%d cells on a terminal of %d: %q", cells, width, line)
		}
		if strings.HasSuffix(line, " ") || !utf8.ValidString(line) {
			t.Errorf("line %q", line)
		}
		for _, r := range line {
			if !unicode.IsPrint(r) {
				t.Errorf("%U in %q", r, line)
			}
		}
	}
}

// FuzzSelect checks that no list of fields panics or selects a field twice.
func FuzzSelect(f *testing.F) {
	f.Add("a,+b.c,-b", uint64(1))
	f.Fuzz(func(t *testing.T, spec string, seed uint64) {
		fields, err := Select(randomLayout(rand.New(rand.NewPCG(seed, 1)), "a,b,c"), spec)
		seen := map[*Field]bool{}
		for _, field := range fields {
			if seen[field] {
				t.Errorf("%q selects %s twice", spec, field.Name)
			}
			seen[field] = true
		}
		if err != nil && fields != nil {
			t.Errorf("%q: fields with an error", spec)
		}
	})
}

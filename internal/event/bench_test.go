package event

import (
	"math"
	"testing"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func benchmark(b *testing.B, e Encoder, rec *Record) {
	dst := make([]byte, 0, 64<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(rec.Raw)))
	for b.Loop() {
		dst = e.Append(dst[:0], rec)
	}
}

func BenchmarkJSON(b *testing.B) {
	open := traceOpen()
	benchmark(b, NewJSON(&open.layout, testEnv, JSONOptions{}), open.record())
}

func BenchmarkYAML(b *testing.B) {
	open := traceOpen()
	benchmark(b, NewYAML(&open.layout, testEnv), open.record())
}

func BenchmarkColumns(b *testing.B) {
	open := traceOpen()
	benchmark(b, NewColumns(&open.layout, testEnv, ColumnOptions{Width: 120}), open.record())
}

// everything is a record that goes through all formatters.
func everything() *builder {
	b := traceOpen()
	enum := &Enum{Values: []EnumValue{{"A", 1}, {"B", 2}}}
	for kind := Bool; kind <= L4Endpoint; kind++ {
		if kind >= RestBytes && kind <= RestArgs {
			continue
		}
		f := b.add("all."+string(rune('a'+kind)), kind, 32, []byte{1, 2, 3, 4, 5, 6, 7, 8})
		f.Enum = enum
		if f.numeric() {
			f.Size = f.width()
		}
	}
	f := b.view("args", RestArgs, len(b.raw), 0)
	f.Hidden = false
	b.raw = append(b.raw, "sh\x00-c\x00echo \"hi\"\n\x00"...)
	b.add("unsafe", CString, 32, "日本\x1b[2J\xff\u202e")
	b.add("floats", Float32, 16, []byte{1, 2, 3, 4, 5, 6, 7, 8}).Count = 4
	b.add("enums", EnumName, 4, []byte{1, 2, 3, 0}).Count = 4
	for i := range b.layout.Fields[len(b.layout.Fields)-2:] {
		b.layout.Fields[len(b.layout.Fields)-1-i].Enum = enum
	}
	return b
}

func TestNoAllocations(t *testing.T) {
	b := everything()
	all := make([]*Field, len(b.layout.Fields))
	for i := range all {
		all[i] = &b.layout.Fields[i]
	}
	rec := b.record()
	dst := make([]byte, 0, 64<<10)
	for name, e := range map[string]Encoder{
		"json":        NewJSON(&b.layout, testEnv, JSONOptions{}),
		"json pretty": NewJSON(&b.layout, testEnv, JSONOptions{Indent: true}),
		"yaml":        NewYAML(&b.layout, testEnv),
		"columns":     NewColumns(&b.layout, testEnv, ColumnOptions{Fields: all}),
		"terminal":    NewColumns(&b.layout, testEnv, ColumnOptions{Fields: all, Width: 400}),
	} {
		e.Append(dst[:0], rec) // the first event pays for buffers and tables
		n := testing.AllocsPerRun(100, func() {
			dst = e.Begin(dst[:0])
			dst = e.End(e.Append(dst, rec))
		})
		if n != 0 {
			t.Errorf("%s: %v allocations per event", name, n)
		}
	}
	n := testing.AllocsPerRun(100, func() {
		for _, f := range all {
			_, _, _, _, _ = f.Uint(rec), f.Float(rec), f.Bool(rec), f.Bytes(rec), f.Addr(rec)
		}
	})
	if n != 0 {
		t.Errorf("reading: %v allocations per event", n)
	}
}

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

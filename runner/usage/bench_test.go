package usage

import "testing"

func BenchmarkProcesses(b *testing.B) {
	p, err := NewProcesses(ProcessOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	b.ReportAllocs()
	var rows []byte
	for b.Loop() {
		if rows, err = p.Fetch(rows[:0]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(rows)/216), "rows")
}

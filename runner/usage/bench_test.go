package usage

import (
	"testing"
	"unsafe"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
)

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
	b.ReportMetric(float64(len(rows)/int(unsafe.Sizeof(plan.ProcessRow{}))), "rows")
}

func BenchmarkPrograms(b *testing.B) {
	gadgettest.NeedRoot(b)
	p, err := NewPrograms(ProgramOptions{})
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
	b.ReportMetric(float64(len(rows)/int(unsafe.Sizeof(plan.ProgramRow{}))), "rows")
}

func BenchmarkSurvey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		findHolders("/proc", nil)
	}
}

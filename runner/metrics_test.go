package runner

import (
	"bytes"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/metric"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// series of a metric, as JSON has them.
type series struct {
	Name, Type string
	Keys       map[string]string
	Value      uint64
	Count      uint64
	Buckets    []struct{ Count, From, To uint64 }
}

// TestMetrics checks that metrics grow over the run, whether they come from a map
// or from a stream, and that the last drawing has everything.
func TestMetrics(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/metrics")
	// Other arguments than 0 to 2 are refused by the system call, which is well.
	arguments := []uintptr{8, 9, 10, 11, 100, 101, 8, 64}
	for _, source := range []string{"calls", "stream"} {
		t.Run(source, func(t *testing.T) {
			var out bytes.Buffer
			o := floodOptions(&out)
			o.PrintInterval, o.MaxRows = 50*time.Millisecond, 1
			o.Encoder = func(s *plan.Source, env *event.Env) (event.Encoder, error) {
				if s.Kind == plan.Rendered {
					t.Errorf("asked for the encoder of %s, which reads nothing", s.Name)
				}
				if s.Name != source {
					return nil, nil
				}
				return metric.NewCollector(s.Metrics, env, metric.Options{Views: []metric.View{metric.JSON(metric.Array)}}), nil
			}
			report := runUntil(t, p, o, func() {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				for _, a := range arguments {
					unix.Syscall(unix.SYS_GETPRIORITY, a, 0, 0)
					time.Sleep(30 * time.Millisecond)
				}
			})
			if len(report.Sources) != 2 || report.Lost() != 0 {
				t.Errorf("report %+v", report)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			// Nine times thirty milliseconds are five intervals; machines are slow.
			if len(lines) < 3 || len(lines) > 20 {
				t.Errorf("%d drawings", len(lines))
			}
			var last uint64
			for _, line := range lines {
				var all []series
				decode(t, []byte(line), &all)
				var total uint64
				for _, s := range all {
					total += s.Count
				}
				if total < last {
					t.Errorf("the histograms have %d values after %d", total, last)
				}
				last = total
			}
			if last != uint64(len(arguments)) {
				t.Errorf("the last drawing has %d values, want %d", last, len(arguments))
			}
			var got []series
			decode(t, []byte(lines[len(lines)-1]), &got)
			if diff := cmp.Diff(lastOf[source], got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

type bucket = struct{ Count, From, To uint64 }

// lastOf are the series at the end of TestMetrics, by data source.
var lastOf = map[string][]series{
	"calls": {
		{Name: "calls", Type: "counter", Keys: map[string]string{"parity": "even"}, Value: 5},
		{Name: "last argument", Type: "gauge", Keys: map[string]string{"parity": "even"}, Value: 64},
		{Name: "arguments", Type: "histogram", Keys: map[string]string{"parity": "even"}, Count: 5,
			Buckets: []bucket{{3, 8, 15}, {0, 16, 31}, {0, 32, 63}, {2, 64, 127}}},
		{Name: "calls", Type: "counter", Keys: map[string]string{"parity": "odd"}, Value: 3},
		{Name: "last argument", Type: "gauge", Keys: map[string]string{"parity": "odd"}, Value: 101},
		{Name: "arguments", Type: "histogram", Keys: map[string]string{"parity": "odd"}, Count: 3,
			Buckets: []bucket{{2, 8, 15}, {0, 16, 31}, {0, 32, 63}, {1, 64, 127}}},
	},
	"stream": {
		{Name: "events", Type: "counter", Keys: map[string]string{}, Value: 8},
		{Name: "argument", Type: "histogram", Keys: map[string]string{}, Count: 8,
			Buckets: []bucket{{4, 0, 10}, {3, 11, 100}, {1, 101, 0}}},
	},
}

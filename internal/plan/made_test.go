package plan_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

// planOf plans a gadget.yaml, with an object or without. What the parser finds odd
// is for others to test.
func planOf(t *testing.T, object []byte, yaml string) *plan.Plan {
	t.Helper()
	md, _, err := schemas.ParseMetadata("gadget.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(object, md)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestProcessesAreThePeers compares names and types with a row that the peer printed.
func TestProcessesAreThePeers(t *testing.T) {
	text, err := os.ReadFile("../event/testdata/peer/top_process.json")
	if err != nil {
		t.Fatal(err)
	}
	s := planOf(t, nil, "operator: {process: {emitstats: true}}").Source("processes")
	env := &event.Env{Location: time.UTC}
	e := event.NewJSON(s.Layout, env, event.JSONOptions{})
	ours := e.End(e.Append(e.Begin(nil), &event.Record{Raw: make([]byte, s.Layout.Size)}))
	got := shapeOf(t, ours)
	for _, added := range []string{"runtime.labels", "runtime.status", "host.unit", "host.cgroup"} {
		delete(got, added)
	}
	if diff := cmp.Diff(shapeOf(t, text), got); diff != "" {
		t.Errorf("-peer +ours:\n%s", diff)
	}
	var shown []string
	for _, f := range s.Layout.Fields {
		if !f.Hidden && f.Kind != event.FromContainer {
			shown = append(shown, f.Name)
		}
	}
	want := "pid comm priority nice cpuUsage cpuUsageRelative memoryRSS memoryVirtual memoryShared memoryRelative threadCount state uid startTimeStr cpuTimeStr"
	if got := strings.Join(shown, " "); got != want {
		t.Errorf("shown are %s\nwant %s", got, want)
	}
}

// shapeOf are the dotted keys of the first row of a table, with the types of the values.
func shapeOf(t *testing.T, text []byte) map[string]string {
	t.Helper()
	var rows []map[string]any
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	shape := map[string]string{}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for k, v := range m {
			if inner, ok := v.(map[string]any); ok {
				walk(prefix+k+".", inner)
			} else {
				shape[prefix+k] = fmt.Sprintf("%T", v)
			}
		}
	}
	walk("", rows[0])
	return shape
}

func TestMadeSources(t *testing.T) {
	p := planOf(t, nil, `
annotations: {enable-containers-datasource: true}
datasources:
  cgroups: {fields: {cgrouppath: {annotations: {columns.width: 70, columns.hidden: true}}}}
operator:
  process: {emitstats: true, interval: 90s, count: 3, fields: [CPUUSAGE, memoryRSS, comm]}
  cgroup: {emitstats: true, first-interval: 500ms}
  ebpf: {emitstats: true, gadgets-only: true}
paramDefaults:
  operator.process.interval: 2s
  operator.ebpf.statistics-interval: 400ms
`)
	if len(p.Problems) > 0 {
		t.Error(p.Problems)
	}
	type schedule struct {
		Kind            plan.SourceKind
		First, Interval time.Duration
		Count           uint64
		Array           bool
	}
	got := map[string]schedule{}
	for _, s := range p.Sources {
		got[s.Name] = schedule{s.Kind, s.First, s.Interval, s.Count, s.Layout.Array}
	}
	want := map[string]schedule{
		"processes":  {plan.Processes, time.Second, 2 * time.Second, 3, true},
		"cgroups":    {plan.Cgroups, 500 * time.Millisecond, 5 * time.Second, 0, true},
		"bpfstats":   {plan.ProgramStats, 400 * time.Millisecond, 400 * time.Millisecond, 0, true},
		"containers": {Kind: plan.Containers},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// The names of the spec, with those of containers where rows have a namespace.
	for source, want := range map[string]string{
		"processes": "pid comm cpuUsage memoryRSS_raw memoryRSS mountnsid host.unit host.cgroup",
		"cgroups": "cgroupPath nrPeriods nrThrottled throttledTime_raw throttledTime throttleRatio cpuQuota_raw cpuQuota " +
			"cpuPeriod_raw cpuPeriod cpuLimitCores psiSomeAvg10 psiSomeAvg60 mountnsid",
		"bpfstats": "gadgetID gadgetName gadgetImage progID progName progType cpuUsage cpuUsageRelative cpuTimeStr " +
			"runtime_raw runtime runcount mapMemory_raw mapMemory mapCount comms pids",
		"containers": "event_type container_id cgroup_id mntns_id name container_config",
	} {
		l := p.Source(source).Layout
		var names []string
		for i := range l.Fields {
			f := &l.Fields[i]
			if f.Kind != event.FromContainer {
				names = append(names, f.Name)
			}
			if f.Kind == event.Invalid || f.Offset+f.Size > l.Size || f.Description == "" {
				t.Errorf("%s.%s: %+v", source, f.Name, f)
			}
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s has %s\nwant %s", source, got, want)
		}
		if owned := source == "processes" || source == "cgroups"; owned != (l.MntNS != nil && l.Field("runtime.containerName") != nil) {
			t.Errorf("%s: mount namespace in %v", source, l.MntNS)
		}
	}
	if f := p.Source("cgroups").Layout.Field("cgroupPath"); f.Column.Width != 70 || !f.Hidden {
		t.Errorf("gadget.yaml does not win: %+v", f)
	}
	if diff := cmp.Diff([]plan.Param{{Scope: "operator.ebpf", Key: "gadgets-only", Type: "bool", Default: "true", Description: "Show only programs of gadgets that are running"}}, p.Params); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if mode := p.Source("containers").Layout.Annotations["cli.default-output-mode"]; mode != "none" {
		t.Errorf("containers are shown as %q", mode)
	}
}

// What makes no sense is noted, and its default holds.
func TestMadeSourcesOdd(t *testing.T) {
	tests := []struct{ name, yaml, sources, problem string }{
		{"not asked for", "operator: {process: {interval: 1s}, ebpf: {gadgets-only: true}}", "", ""},
		{"no truth", "operator: {process: {emitstats: yep}}", "", `operator.process.emitstats: "yep" is not true or false`},
		{"interval", "operator: {process: {emitstats: true, interval: 60}}", "processes", `operator.process.interval: "60" is not a duration`},
		{"count", "operator: {cgroup: {emitstats: true, count: -1}}", "cgroups", `operator.cgroup.count: "-1" is not a whole number`},
		{"field", "operator: {process: {emitstats: true, fields: [com]}}", "processes", `operator.process.fields: there is no field "com"; did you mean "comm"?`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := planOf(t, nil, tt.yaml)
			names := map[string]bool{}
			for _, s := range p.Sources {
				names[s.Name] = true
				if s.Interval <= 0 {
					t.Errorf("interval %s", s.Interval)
				}
			}
			if got := strings.Join(slices.Sorted(maps.Keys(names)), " "); got != tt.sources {
				t.Errorf("data sources %q, want %q", got, tt.sources)
			}
			if got := fmt.Sprint(p.Problems); tt.problem == "" && len(p.Problems) > 0 || !strings.Contains(got, tt.problem) {
				t.Errorf("problems %s\nwant %s", got, tt.problem)
			}
		})
	}
}

// A data source of the program keeps its name.
func TestMadeSourceTaken(t *testing.T) {
	p := planOf(t, gadgettest.Object(t, "../../gadgets/snapshot_process"), "operator: {process: {emitstats: true}, cgroup: {emitstats: true}}")
	if s := p.Source("processes"); len(p.Sources) != 2 || s.Kind != plan.Iterator || p.Source("cgroups") == nil {
		t.Errorf("sources %v", p.Sources)
	}
	if got := fmt.Sprint(p.Problems); !strings.Contains(got, "a data source processes, which the program has, too") {
		t.Errorf("problems %s", got)
	}
}

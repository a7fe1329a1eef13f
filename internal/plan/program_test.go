package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

// programs compiles programs that do nothing, one for each section, named p0, p1 and so on.
func programs(t *testing.T, sections ...string) []byte {
	t.Helper()
	source := "#include <vmlinux.h>\n#include <bpf/bpf_helpers.h>\n"
	for i, s := range sections {
		source += fmt.Sprintf("SEC(%q) int p%d(void *ctx) { return 0; }\n", s, i)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "program.bpf.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return gadgettest.Object(t, dir)
}

// TestPrograms checks what gadget.yaml makes of programs, and what is wrong with it.
func TestPrograms(t *testing.T) {
	const yes = "perf: {type: software, config: count_sw_cpu_clock, sampleType: sample_raw}, sampler: {frequency: 99}"
	object := programs(t, "perf_event/Cpu", "fentry/f", "iter/task")
	tests := []struct {
		yaml string
		// hook of p0, p1 and p2, and problems, a line each.
		hook, problems string
	}{
		{"Cpu: {" + yes + "}", "count_sw_cpu_clock at 99 Hz f task", ""},
		{"p0: {" + yes + "}", "count_sw_cpu_clock at 99 Hz f task", ""},
		{"cpu: {perf: {config: COUNT_HW_CPU_CYCLES}, sampler: {period: 1000000}}", "count_hw_cpu_cycles every 1000000 f task", ""},
		{"cpu: {" + yes + "}, p1: {attach_to: g}", "count_sw_cpu_clock at 99 Hz g task", ""},
		{
			"", " f task",
			`error: program p0 (SEC "perf_event/Cpu"): gadget.yaml does not say what it samples, or how often; ` +
				`add: programs: {Cpu: {perf: {type: software, config: count_sw_cpu_clock}, sampler: {frequency: 99}}}`,
		},
		{"cpu: {sampler: {frequency: 99}}", " f task", "g.yaml:1:12: error: program p0 (SEC \"perf_event/Cpu\"): gadget.yaml does not say what it samples"},
		{
			"cpu: {perf: {config: count_sw_cpu_clok}, sampler: {frequency: 99}}", " f task",
			`g.yaml:1:12: error: program p0 (SEC "perf_event/Cpu"): there is no event "count_sw_cpu_clok"; did you mean "count_sw_cpu_clock"?`,
		},
		{
			"cpu: {perf: {config: cycles}, sampler: {frequency: 99}}", " f task",
			`there is no event "cycles"; there are count_hw_branch_instructions, `,
		},
		{
			"cpu: {perf: {type: hardware, config: count_sw_cpu_clock}, sampler: {frequency: 99}}", " f task",
			`the event count_sw_cpu_clock is of type software, not "hardware"`,
		},
		{
			"cpu: {perf: {config: count_sw_cpu_clock, sampleType: x}, sampler: {frequency: 99}}", " f task",
			`the sampleType must be sample_raw, not "x"`,
		},
		{
			"cpu: {perf: {config: count_sw_cpu_clock}, sampler: {frequency: 99, period: 1}}", " f task",
			"the sampler has a frequency and a period; it can have one of them",
		},
		{"p0: {attach_to: gadget_program_disabled}", "gadget_program_disabled f task", ""},
		{
			"cpu: {" + yes + "}, p2: {attach_to: task_file}", "count_sw_cpu_clock at 99 Hz f task",
			`g.yaml:1:121: warning: attach_to of program "p2" has no effect: its section says what it iterates over (remove it)`,
		},
		{
			"cpu: {" + yes + "}, p1: {when: kernal}", "count_sw_cpu_clock at 99 Hz f task",
			`g.yaml:1:132: error: when of program "p1": "kernal" is unknown; did you mean "kernel"?`,
		},
		{
			"cpu: {" + yes + "}, g: {when: 'arch >= \"x\"', alternatives: [p1, p22]}", "count_sw_cpu_clock at 99 Hz f task",
			`g.yaml:1:121: error: alternatives of g: the object has no program "p22"` + "\n" +
				`g.yaml:1:131: error: when of program "g": arch cannot be compared by >=`,
		},
	}
	for _, tt := range tests {
		md, problems, err := schemas.ParseMetadata("g.yaml", []byte("programs: {"+tt.yaml+"}"))
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v", tt.yaml, problems, err)
			continue
		}
		p, err := plan.New(object, md)
		if err != nil {
			t.Errorf("%s: %v", tt.yaml, err)
			continue
		}
		if hook := p.Program("p0").Hook + " " + p.Program("p1").Hook + " " + p.Program("p2").Hook; hook != tt.hook {
			t.Errorf("%s: hooks %q, want %q", tt.yaml, hook, tt.hook)
		}
		var lines []string
		for _, problem := range p.Problems {
			lines = append(lines, problem.String())
		}
		got := strings.Join(lines, "\n")
		if tt.problems == "" && got != "" || !strings.Contains(got, tt.problems) {
			t.Errorf("%s: problems\n%s\nwant\n%s", tt.yaml, got, tt.problems)
		}
	}
}

// TestPowers checks that an author is told what gadget run is going to refuse.
func TestPowers(t *testing.T) {
	p, err := plan.New(programs(t, "xdp", "kprobe.multi/vfs_*,do_exit"), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `warning: program p0 (SEC "xdp"): such a program could drop, change and redirect packets (gadget run refuses it)`
	if len(p.Problems) != 1 || p.Problems[0].String() != want {
		t.Errorf("problems %v, want %s", p.Problems, want)
	}
}

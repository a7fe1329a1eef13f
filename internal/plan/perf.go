package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/schemas"
)

// Perf is what a perf_event program samples.
type Perf struct {
	// Name of the event in gadget.yaml, such as count_sw_cpu_clock.
	Name string
	// Type and Config of the event, as perf_event_open(2) wants them.
	Type   uint32
	Config uint64
	// Frequency is how many samples a second, Period how many events a sample;
	// one of them is 0.
	Frequency, Period uint64
}

// String is the event with its rate: count_sw_cpu_clock at 99 Hz.
func (p *Perf) String() string {
	if p.Frequency > 0 {
		return fmt.Sprintf("%s at %d Hz", p.Name, p.Frequency)
	}
	return fmt.Sprintf("%s every %d", p.Name, p.Period)
}

// Types of events (include/uapi/linux/perf_event.h).
const (
	perfTypeHardware = 0
	perfTypeSoftware = 1
)

// perfEvents are the events by what the kernel calls them, without PERF_
// (enum perf_hw_id and enum perf_sw_ids in include/uapi/linux/perf_event.h).
var perfEvents = map[string]struct {
	kind   uint32
	config uint64
}{
	"count_sw_cpu_clock":        {perfTypeSoftware, 0},
	"count_sw_task_clock":       {perfTypeSoftware, 1},
	"count_sw_page_faults":      {perfTypeSoftware, 2},
	"count_sw_context_switches": {perfTypeSoftware, 3},
	"count_sw_cpu_migrations":   {perfTypeSoftware, 4},
	"count_sw_page_faults_min":  {perfTypeSoftware, 5},
	"count_sw_page_faults_maj":  {perfTypeSoftware, 6},
	"count_sw_alignment_faults": {perfTypeSoftware, 7},
	"count_sw_emulation_faults": {perfTypeSoftware, 8},

	"count_hw_cpu_cycles":              {perfTypeHardware, 0},
	"count_hw_instructions":            {perfTypeHardware, 1},
	"count_hw_cache_references":        {perfTypeHardware, 2},
	"count_hw_cache_misses":            {perfTypeHardware, 3},
	"count_hw_branch_instructions":     {perfTypeHardware, 4},
	"count_hw_branch_misses":           {perfTypeHardware, 5},
	"count_hw_bus_cycles":              {perfTypeHardware, 6},
	"count_hw_stalled_cycles_frontend": {perfTypeHardware, 7},
	"count_hw_stalled_cycles_backend":  {perfTypeHardware, 8},
	"count_hw_ref_cpu_cycles":          {perfTypeHardware, 9},
}

// addPerf reads what a perf_event program samples.
func addPerf(prog *Program, conf schemas.Program) {
	_, name := sectionParts(prog.Section)
	if name == schemas.ProgramDisabled {
		prog.Hook = name
	}
	if prog.Hook == schemas.ProgramDisabled {
		return
	}
	if name == "" {
		name = prog.Name
	}
	var err error
	if prog.Perf, err = newPerf(name, conf); err != nil {
		prog.Fault = err.Error()
		return
	}
	prog.Hook = prog.Perf.String()
}

func newPerf(name string, conf schemas.Program) (*Perf, error) {
	config := conf.Perf["config"]
	if config == "" || conf.Frequency == 0 && conf.Period == 0 {
		return nil, fmt.Errorf("gadget.yaml does not say what it samples, or how often; add: "+
			"programs: {%s: {perf: {type: software, config: count_sw_cpu_clock}, sampler: {frequency: 99}}}", name)
	}
	event, ok := perfEvents[strings.ToLower(config)]
	if !ok {
		names := slices.Sorted(maps.Keys(perfEvents))
		if hint := schemas.DidYouMean(config, names); hint != "" {
			return nil, fmt.Errorf("there is no event %q; %s", config, hint)
		}
		return nil, fmt.Errorf("there is no event %q; there are %s", config, strings.Join(names, ", "))
	}
	kinds := map[uint32]string{perfTypeHardware: "hardware", perfTypeSoftware: "software"}
	if kind := conf.Perf["type"]; kind != "" && !strings.EqualFold(kind, kinds[event.kind]) {
		return nil, fmt.Errorf("the event %s is of type %s, not %q", config, kinds[event.kind], kind)
	}
	if sample := conf.Perf["sampletype"]; sample != "" && !strings.EqualFold(sample, "sample_raw") {
		return nil, fmt.Errorf("the sampleType must be sample_raw, not %q", sample)
	}
	if conf.Frequency > 0 && conf.Period > 0 {
		return nil, fmt.Errorf("the sampler has a frequency and a period; it can have one of them")
	}
	return &Perf{Name: strings.ToLower(config), Type: event.kind, Config: event.config, Frequency: conf.Frequency, Period: conf.Period}, nil
}

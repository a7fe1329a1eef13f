// Package history keeps the events of a run in a file of fixed size, in which the
// newest take the place of the oldest.
//
//	Encoder   an event.Encoder that keeps records as they are: raw bytes, added
//	          fields, and what was known of their container
//	Writer    the ring: one writer, mapped into memory, that never waits
//	Reader    reads the ring, also while it is being written and after its
//	          writer was killed
//	Decoder   turns what a Reader gives into calls of event.Encoders
//	Describe  the layouts, for a file beside the ring
//
// What is kept is what an encoder or a filter would have seen, so that both can be
// chosen later. Readers take nothing from the writer but the content of the file:
// a slow one is overtaken, which it is told, and holds up nobody.
package history

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/metric"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// Description is what it takes to read a history.
type Description struct {
	// Version of this form.
	Version int
	Sources []Source
	// BootToWall and Vars are those of the run's event.Env.
	BootToWall int64
	Vars       map[string]string
}

// Source is a data source whose records are kept; its place in
// [Description.Sources] is its number.
type Source struct {
	Name string
	// Kind is one of kindNames.
	Kind   string
	Layout *event.Layout
	// Map of a table, for messages.
	Map      string
	Interval time.Duration
	Count    uint64
	// Rendering is the layout of the drawings of a source with metrics, else nil.
	Rendering *event.Layout
}

// descriptionVersion changes when a reader of the old form would misread the new one.
const descriptionVersion = 1

// kindNames by plan.SourceKind; a name is never used for something else.
var kindNames = []string{"tracer", "iterator", "map-iterator", "rendered", "processes", "cgroups", "program-stats", "containers"}

// Describe makes the description of a run's data sources, in the order of their
// numbers.
func Describe(sources []*plan.Source, env *event.Env) ([]byte, error) {
	d := Description{Version: descriptionVersion, BootToWall: env.BootToWall, Vars: env.Vars}
	for _, s := range sources {
		source := Source{Name: s.Name, Kind: kindNames[s.Kind], Layout: kept(s.Layout), Map: s.Map, Interval: s.Interval, Count: s.Count}
		if s.Rendering != nil {
			source.Rendering = s.Rendering.Layout
		}
		d.Sources = append(d.Sources, source)
	}
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("describe the history: %w", err)
	}
	return text, nil
}

// ParseDescription reads what Describe made, in this version or an earlier one.
func ParseDescription(text []byte) (*Description, error) {
	var d Description
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("read the description of the history: %w", err)
	}
	if d.Version > descriptionVersion {
		return nil, fmt.Errorf("the history has version %d, and this program reads up to %d; use the gadget that made it", d.Version, descriptionVersion)
	}
	for i := range d.Sources {
		s := &d.Sources[i]
		if s.Layout == nil || !slices.Contains(kindNames, s.Kind) {
			return nil, fmt.Errorf("read the description of the history: data source %q has no layout that this version knows", s.Name)
		}
	}
	return &d, nil
}

// Plan returns the data sources as a plan without programs, and for each number its
// source.
func (d *Description) Plan() (*plan.Plan, []*plan.Source) {
	p := &plan.Plan{}
	var sources []*plan.Source
	for i := range d.Sources {
		k := &d.Sources[i]
		s := &plan.Source{Name: k.Name, Kind: plan.SourceKind(slices.Index(kindNames, k.Kind)), Layout: k.Layout, Map: k.Map, Interval: k.Interval, Count: k.Count}
		p.Sources = append(p.Sources, s)
		sources = append(sources, s)
		if k.Rendering == nil {
			continue
		}
		if s.Metrics, _ = metric.FromLayout(k.Layout); s.Metrics != nil {
			s.Rendering = &plan.Source{Name: k.Rendering.Name, Kind: plan.Rendered, Layout: k.Rendering}
			p.Sources = append(p.Sources, s.Rendering)
		}
	}
	return p, sources
}

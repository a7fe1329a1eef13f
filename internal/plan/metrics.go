package plan

import (
	"cmp"
	"fmt"
	"maps"
	"strings"

	"github.com/gadget-bpf/gadget/internal/metric"
	"github.com/gadget-bpf/gadget/schemas"
)

// Annotations of a data source that has metrics (compat-spec §3.5), and what is
// added to its name for the data source with their drawings.
const (
	collectMetrics = "metrics.collect"
	printMetrics   = "metrics.print"
	renderedSuffix = "-rendered"
)

// addMetrics gives the data sources that ask for it their metrics, and puts after
// each the one that shows them.
func (p *Plan) addMetrics() {
	var all []*Source
	for _, s := range p.Sources {
		all = append(all, s)
		p.setMetrics(s)
		if s.Rendering != nil {
			all = append(all, s.Rendering)
		}
	}
	p.Sources = all
}

func (p *Plan) setMetrics(s *Source) {
	shown := s.Layout.Annotations[printMetrics] == "true"
	if !shown && s.Layout.Annotations[collectMetrics] != "true" {
		return
	}
	meta := p.Metadata.DataSources[strings.ToLower(s.Name)]
	set, problems := metric.FromLayout(s.Layout)
	for _, problem := range problems {
		p.Problems = append(p.Problems, schemas.Problem{
			Severity: schemas.Error,
			Pos:      cmp.Or(meta.Fields[strings.ToLower(problem.Field)].Pos, meta.Pos),
			Message:  fmt.Sprintf("data source %s: field %s: %s", s.Name, problem.Field, problem.Message),
			Hint:     problem.Hint,
		})
	}
	switch {
	case set == nil:
		// A module may add fields that are not known here.
		p.Problems = append(p.Problems, schemas.Problem{Severity: schemas.Warning, Pos: meta.Pos,
			Message: fmt.Sprintf("data source %s: no field is a counter, a gauge or a histogram", s.Name),
			Hint:    "declare a member as gadget_counter__u64, or give its field the annotation metrics.type"})
	case shown:
		s.Metrics, s.Rendering = set, p.rendering(s.Name+renderedSuffix)
		// Nothing that was counted may be missing in the last drawing. An iterator
		// would count everything once more.
		s.FinalFetch = s.FinalFetch || s.Kind == MapIterator
	}
}

// rendering is the source with the drawings of another.
func (p *Plan) rendering(name string) *Source {
	annotations := map[string]string{"cli.default-output-mode": "histogram", "cli.clear-screen-before": "true"}
	maps.Copy(annotations, p.Metadata.DataSources[strings.ToLower(name)].Annotations)
	return &Source{Name: name, Kind: Rendered, Layout: metric.RenderedLayout(name, annotations)}
}

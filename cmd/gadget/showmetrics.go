package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/metric"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
)

const sectionMetrics = "Metrics"

// minPrintInterval is as often as anybody can look.
const minPrintInterval = 25 * time.Millisecond

// metricOptions are for data sources whose metrics are drawn. Gadgets without such a
// data source do not have the flags.
type metricOptions struct {
	printInterval seconds
}

func (o *metricOptions) addTo(cmd *cobra.Command, g *gadget) {
	drawn := func(s *plan.Source) bool { return s.Metrics != nil }
	if !slices.ContainsFunc(g.plan.Sources, drawn) {
		return
	}
	o.printInterval = seconds(runner.DefaultPrintInterval)
	fs := cmd.Flags()
	fs.Var(&o.printInterval, "print-interval", "time between two drawings of the metrics; a bare number is seconds")
	inSection(fs, sectionMetrics, "print-interval")
}

// printInterval is the time between two drawings: no less than between two tables
// that were asked for.
func (o *runOptions) printInterval(cmd *cobra.Command, g *gadget) time.Duration {
	d := time.Duration(o.metrics.printInterval)
	for _, s := range g.plan.Sources {
		if s.Metrics != nil && o.tables.interval.value(s.Name) != "" && !cmd.Flags().Changed("print-interval") {
			d = max(d, s.Interval)
		}
	}
	return d
}

// check finds mistakes before the kernel is asked for anything.
func (o *metricOptions) check(cmd *cobra.Command) error {
	if d := time.Duration(o.printInterval); cmd.Flags().Changed("print-interval") && d < minPrintInterval {
		return usageErrorf(cmd, "--print-interval: %s is too short; it is %s at least", d, minPrintInterval)
	}
	return nil
}

// seriesForms are the formats in which metrics are series, and no drawing.
var seriesForms = map[string]metric.Form{
	"json": metric.Array, "jsonl": metric.Lines, "jsonpretty": metric.Indented, "yaml": metric.Documents,
}

// metricFormats are the formats of the two data sources that show metrics: the one
// that has them gives series, the one that draws them gives text. A format for all
// goes to the one that it is made for; "none" leaves a source out.
func (o *showOptions) metricFormats(s *plan.Source) (series, drawing string) {
	series, drawing = "none", o.output.all
	if _, structured := seriesForms[drawing]; structured {
		series, drawing = drawing, "none"
	}
	if format, ok := o.output.one[s.Name]; ok {
		series, drawing = format, "none"
	}
	if format, ok := o.output.one[s.Rendering.Name]; ok {
		drawing = format
	}
	// A drawing has no columns.
	if modes, _ := modesOf(s.Rendering); drawing == modeColumns || !slices.Contains(modes, drawing) {
		drawing = modeHistogram
	}
	return series, drawing
}

// checkMetrics refuses what series cannot have: some formats, and fields.
func (o *showOptions) checkMetrics(cmd *cobra.Command, s *plan.Source) error {
	if o.fields.value(s.Name) != "" {
		return usageErrorf(cmd, "--fields: the metrics of %s are shown whole", s.Name).
			hint("SOURCE:FIELDS chooses fields of another data source")
	}
	series, _ := o.metricFormats(s)
	if _, ok := seriesForms[series]; ok || series == "none" {
		return nil
	}
	return usageErrorf(cmd, "--output: %s has series of metrics, which are not shown as %s", s.Name, series).
		hint("for series there is %s; drawings are in %s", strings.Join(slices.Sorted(maps.Keys(seriesForms)), ", "), s.Rendering.Name)
}

// metrics makes the encoder of a data source with metrics, nil when nothing of
// them is shown.
func (o *showOptions) metrics(s *plan.Source, env *event.Env, t view.Terminal) (event.Encoder, error) {
	options := metric.Options{MaxSeries: o.maxSeries}
	series, drawing := o.metricFormats(s)
	if form, ok := seriesForms[series]; ok {
		options.Views = append(options.Views, metric.JSON(form))
	}
	if enc := newEncoder(drawing, s.Rendering.Layout, env, event.ColumnOptions{}); enc != nil {
		options.Views = append(options.Views, metric.Drawing(enc, t.Width))
	}
	if options.Views == nil {
		return nil, nil
	}
	return metric.NewCollector(s.Metrics, env, options), nil
}

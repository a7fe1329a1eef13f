package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// Output modes with a meaning here. Others are words of a gadget for text that it
// has made itself, such as histogram or advise, and is printed as it is.
const (
	modeColumns = "columns"
	modeNone    = "none"
	// modeHistogram is text, as every word of a gadget: what metrics are drawn in.
	modeHistogram = "histogram"
	// modePcap is a capture file, which is not written yet.
	modePcap = "pcap-ng"
)

// outputFormats are the modes of every data source, the default first.
var outputFormats = []string{modeColumns, "json", "jsonl", "jsonpretty", "yaml", modeNone}

// modesOf lists the modes of a data source, the default first, and whether the
// gadget shows it at all without being asked. cli.supported-output-modes adds modes,
// and takes columns away when they are not in it; JSON and YAML are always there
// (compat-spec §3.5, §5.10).
func modesOf(s *plan.Source) (modes []string, shown bool) {
	if s.Metrics != nil {
		return outputFormats[1:], false // the drawing is a data source of its own
	}
	notWritten := func(m string) bool { return m == modePcap }
	supported := slices.DeleteFunc(splitWords(s.Layout.Annotations["cli.supported-output-modes"], ","), notWritten)
	byDefault := strings.TrimSpace(s.Layout.Annotations["cli.default-output-mode"])
	shown = byDefault != modeNone
	if !shown || notWritten(byDefault) {
		byDefault = ""
	}
	formats := outputFormats
	if len(supported) > 0 && !slices.Contains(supported, modeColumns) {
		formats = formats[1:]
		byDefault = cmp.Or(byDefault, supported[0])
	}
	for _, m := range slices.Concat([]string{byDefault}, formats, supported) {
		if m != "" && !slices.Contains(modes, m) {
			modes = append(modes, m)
		}
	}
	return modes, shown
}

// isText reports whether a mode prints text that the gadget has made.
func isText(mode string) bool { return !slices.Contains(outputFormats, mode) }

// modes are those of all data sources of the gadget. One that no data source has
// counts for none: a setting for all gadgets does no harm.
func (g *gadget) modes() []string {
	all := slices.Clone(outputFormats)
	for _, s := range g.plan.Sources {
		modes, _ := modesOf(s)
		for _, m := range modes {
			if !slices.Contains(all, m) {
				all = append(all, m)
			}
		}
	}
	return all
}

// mode is the one in which a data source is shown. A mode without the name of a
// data source counts for those that have it, and not for those that the gadget
// hides, unless it hides all.
func (o *showOptions) mode(s *plan.Source) string {
	modes, shown := modesOf(s)
	if m := o.output.one[s.Name]; m != "" {
		return m
	}
	switch all := o.output.all; {
	case !shown && !o.allHidden:
		return modeNone
	case all != "" && slices.Contains(modes, all):
		return all
	case !shown:
		return modeNone
	}
	return modes[0]
}

// visible are the data sources that are shown. Those with metrics stand for their
// drawings, too.
func (o *showOptions) visible(g *gadget) []*plan.Source {
	var list []*plan.Source
	for _, s := range g.plan.Sources {
		series, drawing := modeNone, modeNone
		switch {
		case s.Metrics != nil:
			series, drawing = o.metricFormats(s)
		case s.Kind != plan.Rendered:
			series = o.mode(s)
		}
		if series != modeNone || drawing != modeNone {
			list = append(list, s)
		}
	}
	return list
}

// allHidden reports whether the gadget shows nothing without being asked.
func (g *gadget) allHidden() bool {
	return !slices.ContainsFunc(g.plan.Sources, func(s *plan.Source) bool {
		_, shown := modesOf(s)
		return shown
	})
}

// newEncoder makes the encoder of a mode, nil for none.
func newEncoder(mode string, l *event.Layout, env *event.Env, columns event.ColumnOptions) event.Encoder {
	switch mode {
	case modeNone:
		return nil
	case modeColumns:
		return event.NewColumns(l, env, columns)
	case "json":
		return event.NewJSON(l, env, event.JSONOptions{})
	case "jsonl":
		return event.NewJSON(l, env, event.JSONOptions{Lines: true})
	case "jsonpretty":
		return event.NewJSON(l, env, event.JSONOptions{Indent: true})
	case "yaml":
		return event.NewYAML(l, env)
	}
	return event.NewRaw(l, env)
}

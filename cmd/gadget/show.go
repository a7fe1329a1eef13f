package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/filter"
	"github.com/gadget-bpf/gadget/internal/plan"
)

const sectionShow = "What to show, and how"

// outputFormats of events, the default first.
var outputFormats = []string{"columns", "json", "jsonl", "jsonpretty", "yaml", "none"}

// showOptions choose which events and fields are shown, and in which form.
type showOptions struct {
	output             perSource
	fields             perSource
	filters, exprs     []string
	bySource           map[string]*[]string // --filter.SOURCE
	noHeaders, noTrunc bool
	// maxSeries of metrics are shown; 0 is no limit.
	maxSeries int
}

func (o *showOptions) addTo(cmd *cobra.Command) {
	o.output = perSource{kind: "FORMAT", separator: ",", accept: oneOf("", outputFormats...).accept}
	o.fields = perSource{kind: "FIELDS", separator: ";"}
	fs := cmd.Flags()
	fs.VarP(&o.output, "output", "o", "columns (default), json, jsonl, jsonpretty, yaml or none; SOURCE:FORMAT,… for several data sources")
	fs.Var(&o.fields, "fields", "columns to show: a,b shows these, +a adds one, -a leaves one out; SOURCE:FIELDS;… for several data sources")
	fs.StringArrayVarP(&o.filters, "filter", "F", nil, "show only events for which `EXPR` is true, such as 'proc.comm == \"nginx\" && error != \"\"'; see gadget help filter")
	fs.StringArrayVarP(&o.exprs, "filter-expr", "E", nil, "another name of --filter `EXPR`")
	fs.BoolVar(&o.noHeaders, "no-headers", false, "columns without the line of titles")
	fs.BoolVar(&o.noTrunc, "no-trunc", false, "columns as wide as their values, on terminals too")
	inSection(fs, sectionShow, "output", "fields", "filter", "filter-expr", "no-headers", "no-trunc")
	// The only error is a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(outputFormats, cobra.ShellCompDirectiveNoFileComp))
}

// addSourceFilters adds --filter.SOURCE to gadgets with several data sources.
func (o *showOptions) addSourceFilters(cmd *cobra.Command, g *gadget) {
	read := slices.DeleteFunc(slices.Clone(g.plan.Sources), func(s *plan.Source) bool { return s.Kind == plan.Rendered })
	if len(read) < 2 {
		return
	}
	o.bySource = map[string]*[]string{}
	for _, s := range read {
		exprs := new([]string)
		o.bySource[s.Name] = exprs
		name := "filter." + s.Name
		if cmd.Flags().Lookup(name) == nil {
			cmd.Flags().StringArrayVar(exprs, name, nil, "like --filter, for the data source "+s.Name+" only")
			inSection(cmd.Flags(), sectionShow, name)
		}
	}
}

// perSource is a flag whose value may differ between data sources: a plain value
// counts for all, SOURCE:VALUE for one.
type perSource struct {
	kind, separator string
	// accept says what is wrong with a value; nil takes any.
	accept func(string) error
	all    string
	one    map[string]string
}

// String implements pflag.Value.
func (p *perSource) String() string {
	texts := []string{}
	if p.all != "" {
		texts = append(texts, p.all)
	}
	for name, v := range p.one {
		texts = append(texts, name+":"+v)
	}
	slices.Sort(texts)
	return strings.Join(texts, p.separator)
}

// Type implements pflag.Value.
func (p *perSource) Type() string { return p.kind }

// Set implements pflag.Value.
func (p *perSource) Set(s string) error {
	s, err := fromFile(s)
	if err != nil {
		return err
	}
	p.all, p.one = "", map[string]string{}
	parts := []string{s}
	if strings.Contains(s, ":") {
		parts = strings.Split(s, p.separator)
	}
	for _, part := range parts {
		source, value, named := strings.Cut(part, ":")
		if !named {
			source, value = "", part
		}
		if p.accept != nil && value != "" {
			if err := p.accept(value); err != nil {
				return err
			}
		}
		if named {
			p.one[source] = value
		} else {
			p.all = value
		}
	}
	return nil
}

// value is that for a data source.
func (p *perSource) value(source string) string {
	if v, ok := p.one[source]; ok {
		return v
	}
	return p.all
}

// checkNames refuses values for data sources that the gadget does not have.
func (p *perSource) checkNames(cmd *cobra.Command, flag string, g *gadget) error {
	names := g.sourceNames()
	for _, name := range slices.Sorted(maps.Keys(p.one)) {
		if !slices.Contains(names, name) {
			return usageErrorf(cmd, "--%s: %s has no data source %q", flag, g.name, name).
				hint("%s", didYouMean("", name, names)).
				hint("it has: %s", strings.Join(names, ", "))
		}
	}
	return nil
}

// check finds every mistake that the plan can tell, before the kernel is asked for
// anything: it makes all encoders and filters once.
func (o *showOptions) check(cmd *cobra.Command, g *gadget) error {
	for flag, p := range map[string]*perSource{"output": &o.output, "fields": &o.fields} {
		if err := p.checkNames(cmd, flag, g); err != nil {
			return err
		}
	}
	for _, s := range g.plan.Sources {
		if s.Kind == plan.Rendered {
			continue
		}
		if s.Metrics != nil {
			if err := o.checkMetrics(cmd, s); err != nil {
				return err
			}
		} else if _, err := event.Select(s.Layout, o.fields.value(s.Name)); err != nil {
			return usageErrorf(cmd, "--fields: %w", err).hint("gadget run %s --help lists the fields", g.name)
		}
		if _, err := o.filter(s, &event.Env{}); err != nil {
			return usageErrorf(cmd, "--filter: %w", err)
		}
	}
	return nil
}

// encoder makes the encoders of a run: how the events of a data source look.
func (o *showOptions) encoder(t view.Terminal) func(*plan.Source, *event.Env) (event.Encoder, error) {
	return func(s *plan.Source, env *event.Env) (event.Encoder, error) {
		if s.Metrics != nil {
			return o.metrics(s, env, t)
		}
		return o.format(s, o.output.value(s.Name), env, t)
	}
}

// format makes the encoder of a data source for one format.
func (o *showOptions) format(s *plan.Source, format string, env *event.Env, t view.Terminal) (event.Encoder, error) {
	switch format {
	case "json":
		return event.NewJSON(s.Layout, env, event.JSONOptions{}), nil
	case "jsonl":
		return event.NewJSON(s.Layout, env, event.JSONOptions{Lines: true}), nil
	case "jsonpretty":
		return event.NewJSON(s.Layout, env, event.JSONOptions{Indent: true}), nil
	case "yaml":
		return event.NewYAML(s.Layout, env), nil
	case "none":
		return nil, nil
	}
	if s.Kind == plan.Rendered {
		return event.NewRaw(s.Layout, env), nil
	}
	fields, err := event.Select(s.Layout, o.fields.value(s.Name))
	if err != nil {
		return nil, err
	}
	return event.NewColumns(s.Layout, env, event.ColumnOptions{
		Fields: fields, Width: t.Width, NoHeaders: o.noHeaders, NoTrunc: o.noTrunc,
	}), nil
}

// filter is the filter of a data source, nil when all of its events are wanted.
func (o *showOptions) filter(s *plan.Source, env *event.Env) (func(*event.Record) bool, error) {
	var all []filter.Func
	texts := slices.Concat(o.filters, o.exprs)
	if own := o.bySource[s.Name]; own != nil {
		texts = append(texts, *own...)
	}
	for _, text := range texts {
		text, err := fromFile(text)
		if err != nil {
			return nil, err
		}
		f, err := filter.Compile(text, s.Layout, env)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		return all[0], nil
	}
	return func(r *event.Record) bool {
		for _, f := range all {
			if !f(r) {
				return false
			}
		}
		return true
	}, nil
}

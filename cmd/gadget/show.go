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

// showOptions choose which events and fields are shown, and in which form.
type showOptions struct {
	output             perSource
	fields             perSource
	filters, exprs     []string
	bySource           map[string]*[]string // --filter.SOURCE
	variables          []string
	formats            []string // modes of the gadget
	noHeaders, noTrunc bool
	noRedraw, noNames  bool
	// allHidden is true for gadgets that show nothing without being asked.
	allHidden bool
	// maxSeries of metrics are shown; 0 is no limit.
	maxSeries int
}

func (o *showOptions) addTo(cmd *cobra.Command) {
	o.output = perSource{kind: "FORMAT", separator: ","}
	o.fields = perSource{kind: "FIELDS", separator: ";"}
	fs := cmd.Flags()
	fs.VarP(&o.output, "output", "o", "columns (default), json, jsonl, jsonpretty, yaml or none; SOURCE:FORMAT,… for several data sources")
	fs.Var(&o.fields, "fields", "columns to show: a,b shows these, +a adds one, -a leaves one out; SOURCE:FIELDS;… for several data sources")
	fs.VarP(texts(&o.filters), "filter", "F", "show only events for which `EXPR` is true, such as 'proc.comm == \"nginx\" && error != \"\"'; see gadget help filter")
	fs.VarP(texts(&o.exprs), "filter-expr", "E", "another name of --filter `EXPR`")
	fs.BoolVar(&o.noHeaders, "no-headers", false, "columns without the line of titles")
	fs.BoolVar(&o.noTrunc, "no-trunc", false, "columns as wide as their values, on terminals too")
	fs.BoolVar(&o.noRedraw, "no-redraw", false, "tables one below the other, on terminals too")
	fs.BoolVar(&o.noNames, "no-names", false, "IP addresses as they are, not by the container, pod or host that has them")
	fs.Var(words(&o.variables), "env-vars", "`NAMES` of environment variables that the gadget may show")
	inSection(fs, sectionShow, "output", "fields", "filter", "filter-expr", "no-headers", "no-trunc", "no-redraw", "no-names", "env-vars")
	fs.Lookup("env-vars").Hidden = true // unless the gadget shows some
	// The only error is a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("output", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return o.formats, cobra.ShellCompDirectiveNoFileComp
	})
}

// addFor fits the flags to a gadget: its output modes, its environment variables,
// and --filter.SOURCE when it has several data sources.
func (o *showOptions) addFor(cmd *cobra.Command, g *gadget) {
	o.formats, o.allHidden = g.modes(), g.allHidden()
	o.output.accept = oneOf("", o.formats...).accept
	cmd.Flags().Lookup("env-vars").Hidden = len(g.envVars()) == 0
	cmd.Flags().Lookup("no-names").Hidden = !g.plan.HasPeers()
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
			cmd.Flags().Var(texts(exprs), name, "like --filter `EXPR`, for the data source "+s.Name+" only")
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
		if err := o.checkMode(cmd, s); err != nil {
			return err
		}
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

// checkMode refuses a mode that a data source does not have. Series of metrics have
// words of their own for that.
func (o *showOptions) checkMode(cmd *cobra.Command, s *plan.Source) error {
	modes, _ := modesOf(s)
	m := o.output.one[s.Name]
	if m == "" || s.Metrics != nil || slices.Contains(modes, m) {
		return nil
	}
	return usageErrorf(cmd, "--output: data source %s has no mode %q", s.Name, m).hint("it has: %s", strings.Join(modes, ", "))
}

// encoder makes the encoders of a run: how the events of a data source look. Tables
// of several data sources get names.
func (o *showOptions) encoder(g *gadget, t view.Terminal) func(*plan.Source, *event.Env) (event.Encoder, error) {
	several := len(o.visible(g)) > 1
	return func(s *plan.Source, env *event.Env) (event.Encoder, error) {
		if s.Metrics != nil {
			return o.metrics(s, env, t)
		}
		columns, err := o.columns(s)
		if err != nil {
			return nil, err
		}
		columns.Width = t.Width
		if s.Layout.Array && several {
			columns.Name = s.Name
		}
		return newEncoder(o.mode(s), s.Layout, env, columns), nil
	}
}

// columns are the options for a table of a data source, but for the terminal.
func (o *showOptions) columns(s *plan.Source) (event.ColumnOptions, error) {
	fields, err := event.Select(s.Layout, o.fields.value(s.Name))
	return event.ColumnOptions{Fields: fields, NoHeaders: o.noHeaders, NoTrunc: o.noTrunc}, err
}

// envVars are the values of the environment variables that may be shown.
func (o *showOptions) envVars(env func(string) (string, bool)) map[string]string {
	vars := map[string]string{}
	for _, name := range o.variables {
		vars[name], _ = env(name)
	}
	return vars
}

// envVars are the names of the environment variables that the gadget would show.
func (g *gadget) envVars() []string {
	var names []string
	for _, s := range g.plan.Sources {
		for i := range s.Layout.Fields {
			if f := &s.Layout.Fields[i]; f.Kind == event.EnvVar {
				names = append(names, f.Format)
			}
		}
	}
	return names
}

// filter is the filter of a data source, nil when all of its events are wanted.
func (o *showOptions) filter(s *plan.Source, env *event.Env) (func(*event.Record) bool, error) {
	var all []filter.Func
	texts := slices.Concat(o.filters, o.exprs)
	if own := o.bySource[s.Name]; own != nil {
		texts = append(texts, *own...)
	}
	for _, text := range texts {
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

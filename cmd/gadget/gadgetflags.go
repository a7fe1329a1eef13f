package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// gadgetFlags are the flags that a gadget brings with it: name of the flag → value.
type gadgetFlags map[string]*paramValue

// paramValue is a flag for a parameter of a gadget.
type paramValue struct {
	param *plan.Param
	text  string
}

// String implements pflag.Value.
func (v *paramValue) String() string {
	if v.param == nil { // the zero value that pflag compares defaults with
		return ""
	}
	return v.text
}

// Type implements pflag.Value.
func (v *paramValue) Type() string { return v.param.Type }

// Set implements pflag.Value. A value @FILE is the content of the file.
func (v *paramValue) Set(s string) error {
	s, err := fromFile(s)
	if err != nil {
		return err
	}
	if err := v.param.Check(s); err != nil {
		return err
	}
	v.text = s
	return nil
}

// addGadgetFlags gives cmd the gadget's parameters as flags, and its help the
// gadget's fields.
func addGadgetFlags(cmd *cobra.Command, g *gadget) {
	g.flags = gadgetFlags{}
	for i := range g.plan.Params {
		p := &g.plan.Params[i]
		name, short := paramFlag(cmd, p)
		if g.flags[name] != nil {
			continue // a second parameter of the same name; the first one counts
		}
		v := &paramValue{param: p, text: p.Default}
		g.addFlag(cmd, v, name, short)
		if other := p.AlternativeKey; other != "" && cmd.Flags().Lookup(other) == nil && cmd.Root().PersistentFlags().Lookup(other) == nil {
			g.addFlag(cmd, v, other, "").Hidden = true
		}
	}
	cmd.Annotations = map[string]string{
		annotationMoreHelp: fieldsHelp(g),
		annotationHelpPath: cmd.CommandPath() + " " + g.name,
	}
}

func (g *gadget) addFlag(cmd *cobra.Command, v *paramValue, name, short string) *pflag.Flag {
	f := cmd.Flags().VarPF(v, name, short, paramUsage(v.param))
	possible := v.param.Possible
	if v.param.Type == "bool" {
		f.NoOptDefVal = "true"
		possible = []string{"true", "false"}
	}
	f.Annotations = map[string][]string{
		annotationSection: {sectionOwn + g.name},
		annotationParam:   {v.param.FullName()},
	}
	if len(possible) > 0 {
		// The only error is a flag that does not exist.
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(possible, cobra.ShellCompDirectiveNoFileComp))
	}
	g.flags[name] = v
	return f
}

// paramUsage is the help of a parameter: what it is for, what it takes.
func paramUsage(p *plan.Param) string {
	var notes []string
	if len(p.Possible) > 0 {
		notes = append(notes, "one of "+strings.Join(p.Possible, ", "))
	}
	if p.ValueHint != "" {
		notes = append(notes, "value: "+p.ValueHint)
	}
	if p.Mandatory {
		notes = append(notes, "required")
	}
	usage := p.Description
	if len(notes) > 0 {
		usage = strings.TrimSpace(usage + " (" + strings.Join(notes, "; ") + ")")
	}
	// Text between backquotes would be taken for the name of the value.
	return view.Safe(strings.ReplaceAll(usage, "`", "'"))
}

// paramFlag is the name of a parameter's flag and its one letter, "" for none. A
// name that the command run has itself is not available, the full name then is.
func paramFlag(run *cobra.Command, p *plan.Param) (name, short string) {
	global := run.Root().PersistentFlags()
	taken := func(f *pflag.Flag) bool {
		return f != nil && (f.Annotations[annotationParam] == nil || f.Annotations[annotationParam][0] != p.FullName())
	}
	name, short = p.Key, p.Alias
	if name == "help" || taken(run.Flags().Lookup(name)) || taken(global.Lookup(name)) {
		name = p.FullName()
	}
	if len(short) != 1 || short == "h" || run.Flags().ShorthandLookup(short) != nil || global.ShorthandLookup(short) != nil {
		short = ""
	}
	return name, short
}

// given calls visit for each parameter that was set.
func (flags gadgetFlags) given(cmd *cobra.Command, visit func(*paramValue)) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if v := flags[f.Name]; v != nil {
			visit(v)
		}
	})
}

// values are the parameters of the program that were set, by their keys.
func (flags gadgetFlags) values(cmd *cobra.Command) map[string]string {
	params := map[string]string{}
	flags.given(cmd, func(v *paramValue) {
		if !v.param.Custom() {
			params[v.param.Key] = v.text
		}
	})
	return params
}

// check refuses a run without the parameters that have to be given.
func (flags gadgetFlags) check(cmd *cobra.Command) error {
	missing := map[*plan.Param]string{}
	for name, v := range flags {
		if v.param.Mandatory && (missing[v.param] == "" || name == v.param.Key) {
			missing[v.param] = name
		}
	}
	flags.given(cmd, func(v *paramValue) { delete(missing, v.param) })
	if len(missing) == 0 {
		return nil
	}
	var lines []string
	for p, name := range missing {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("--%s %s  %s", name, p.Type, paramUsage(p)), " "))
	}
	slices.Sort(lines)
	return usageErrorf(cmd, "the gadget wants to be told:\n  %s", strings.Join(lines, "\n  "))
}

// fieldsHelp lists the fields of a gadget's events for its help.
func fieldsHelp(g *gadget) string {
	var b strings.Builder
	for _, s := range g.plan.Sources {
		fmt.Fprintf(&b, "Fields of %s (* is shown without being asked for):\n", view.Safe(s.Name))
		if modes, shown := modesOf(s); !slices.Equal(modes, outputFormats) || !shown {
			b.WriteString(view.Safe(modesHelp(modes, shown)) + "\n")
		}
		fields := listFields(s.Layout)
		width := 0
		for _, f := range fields {
			width = max(width, len(f.Name))
		}
		for _, f := range fields {
			mark := " "
			if !f.Hidden {
				mark = "*"
			}
			line := fmt.Sprintf("  %s %-*s  %s", mark, width, f.Name, f.Description)
			b.WriteString(strings.TrimRight(view.Safe(line), " ") + "\n")
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// modesHelp says how a data source can be shown when that is not the usual.
func modesHelp(modes []string, shown bool) string {
	if !shown {
		return "  not shown without -o: " + strings.Join(modes, ", ")
	}
	return "  shown as " + modes[0] + " without -o, or as " + strings.Join(modes[1:], ", ")
}

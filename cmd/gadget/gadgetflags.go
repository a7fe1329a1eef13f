package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// fullNamePrefix comes before the key of a parameter in its full name, which is
// the name of the flag when the short one is taken.
const fullNamePrefix = "operator.oci.ebpf."

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
	if _, err := v.param.Encode(s); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "--"+v.param.Key+": "))
	}
	v.text = s
	return nil
}

// fromFile returns s, or the content of the file when s is @FILE, without the line
// break at its end.
func fromFile(s string) (string, error) {
	name, ok := strings.CutPrefix(s, "@")
	if !ok {
		return s, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// addGadgetFlags gives cmd the gadget's parameters as flags, and its help the
// gadget's fields.
func addGadgetFlags(cmd *cobra.Command, g *gadget) {
	g.flags = gadgetFlags{}
	fs := cmd.Flags()
	for i := range g.plan.Params {
		p := &g.plan.Params[i]
		name, short := paramFlag(cmd, p)
		if g.flags[name] != nil {
			continue // a second parameter of the same key; the first one counts
		}
		v := &paramValue{param: p, text: p.Default}
		f := fs.VarPF(v, name, short, p.Description)
		if p.Type == "bool" {
			f.NoOptDefVal = "true"
		}
		f.Annotations = map[string][]string{
			annotationSection: {sectionOwn + g.name},
			annotationParam:   {p.Key},
		}
		g.flags[name] = v
	}
	cmd.Annotations = map[string]string{
		annotationMoreHelp: fieldsHelp(g),
		annotationHelpPath: cmd.CommandPath() + " " + g.name,
	}
}

// paramFlag is the name of a parameter's flag and its one letter, "" for none. A
// name that the command run has itself is not available, the full name then is.
func paramFlag(run *cobra.Command, p *plan.Param) (name, short string) {
	taken := func(f *pflag.Flag) bool { return f != nil && f.Annotations[annotationParam] == nil }
	global := run.Root().PersistentFlags()
	name, short = p.Key, p.Alias
	if name == "help" || taken(run.Flags().Lookup(name)) || taken(global.Lookup(name)) {
		name = fullNamePrefix + p.Key
	}
	if len(short) != 1 || short == "h" || run.Flags().ShorthandLookup(short) != nil || global.ShorthandLookup(short) != nil {
		short = ""
	}
	return name, short
}

// values are the parameters that were set, by their keys.
func (flags gadgetFlags) values(cmd *cobra.Command) map[string]string {
	params := map[string]string{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if v := flags[f.Name]; v != nil {
			params[v.param.Key] = v.text
		}
	})
	return params
}

// fieldsHelp lists the fields of a gadget's events for its help.
func fieldsHelp(g *gadget) string {
	var b strings.Builder
	for _, s := range g.plan.Sources {
		fmt.Fprintf(&b, "Fields of %s (* is shown without being asked for):\n", s.Name)
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
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
)

func configCmd(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:     "config",
		Short:   "Look at the configuration",
		GroupID: groupTool,
		Example: `  gadget config view`,
	})
	cmd.AddCommand(configViewCmd(a))
	return cmd
}

// settingView is one line of `gadget config view`.
type settingView struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin string `json:"origin"`
}

type configViewOptions struct{ output choice }

func configViewCmd(a *app) *cobra.Command {
	opts := configViewOptions{output: oneOf("FORMAT", "columns", "json", "yaml")}
	cmd := &cobra.Command{
		Use:   "view",
		Short: "Show every setting, its value and where that comes from",
		Args:  exactArgs(),
		Long: `Show every setting, its value and where that comes from: a flag, an environment
variable, a line of a file, or the default. See also: gadget help settings`,
		Example: `  gadget config view
  gadget config view -o json | jq '.[] | select(.origin != "default")'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runConfigView(a, cmd, opts) },
	}
	addOutput(cmd, &opts.output)
	return cmd
}

func runConfigView(a *app, cmd *cobra.Command, opts configViewOptions) error {
	var list []settingView
	visitSettings(cmd.Root(), func(key string, owner *cobra.Command, f *pflag.Flag) {
		v := settingView{key, f.DefValue, "default"}
		if a.settings.typed[f] {
			v.Value, v.Origin = f.Value.String(), "flag --"+f.Name
		} else if found := a.settings.lookUp(key, f); len(found) > 0 {
			var texts []string
			for _, s := range found {
				texts = append(texts, s.text)
			}
			v.Value, v.Origin = strings.Join(texts, ","), found[0].origin
		}
		list = append(list, v)
	})
	return a.print(opts.output.String(), list, func(w io.Writer, t view.Terminal) error {
		table := view.Table{Titles: []string{"key", "value", "origin"}}
		for _, v := range list {
			table.Row(v.Key, v.Value, v.Origin)
		}
		return table.Write(w, t)
	})
}

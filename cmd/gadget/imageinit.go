package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/builder"
)

func imageInitCmd(a *app) *cobra.Command {
	template := oneOf("NAME", append([]string{"trace"}, builder.Templates()...)...)
	cmd := &cobra.Command{
		Use:   "init NAME",
		Short: "Begin a gadget of your own from a working example",
		Long: `Write the source of a new gadget to a new directory NAME: a program that works, with
comments for learners, its gadget.yaml, a README, a test, and what an editor needs.

  trace      an event each time something happens       (a tracepoint)
  top        a table every second of who does most      (a map that is counted in)
  snapshot   a table of what there is now               (an iterator)
  profile    who uses the processors                    (samples of a clock)
  uprobe     calls of functions of programs, libraries  (in every container)

Nothing is overwritten.`,
		Example: `  gadget image init mysnoop
  gadget image init mytop --template top
  sudo gadget run ./mytop --host`,
		Args: exactArgs("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			return runImageInit(a, args[0], template.String())
		},
	}
	cmd.Flags().Var(&template, "template", "what to begin with: "+strings.Join(builder.Templates(), ", "))
	template.complete(cmd, "template")
	return cmd
}

func runImageInit(a *app, dir, template string) error {
	files, err := builder.Create(dir, template)
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := fmt.Fprintln(a.out, filepath.Join(dir, f)); err != nil {
			return err
		}
	}
	path := dir
	if !filepath.IsAbs(dir) {
		path = "." + string(filepath.Separator) + filepath.Clean(dir)
	}
	a.notice("next: gadget run " + path + " --host")
	return nil
}

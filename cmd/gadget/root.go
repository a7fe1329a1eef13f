package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// Groups of verbs in the root's help.
const (
	groupRun    = "run"
	groupImages = "images"
	groupTool   = "tool"
)

// rootCmd builds the whole tree. Every verb is in this list and nowhere else.
func rootCmd(a *app) *cobra.Command {
	root := group(&cobra.Command{
		Use:   "gadget",
		Short: "Build, ship and run eBPF gadgets as OCI images",
		Long: `gadget is to eBPF programs what docker is to containers: it builds them into
OCI images, keeps and moves the images, and runs them on this kernel. Events come
back with the containers they belong to.`,
		Example: `  # Which programs do my containers start?
  gadget run trace_exec

  # What does one container fail to open? One JSON object a line, for ten seconds.
  gadget run trace_open -c web --failed -o json --timeout 10s

  # Build my own and run it
  gadget image build -t mysnoop:v1 ./mysnoop
  gadget run mysnoop:v1`,
	})
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) }
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(flagFault)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { a.printHelp(cmd) })
	a.global.addTo(root)
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Gadgets"},
		&cobra.Group{ID: groupImages, Title: "Images"},
		&cobra.Group{ID: groupTool, Title: "This tool"},
	)
	root.AddCommand(
		runCmd(a),
		listCmd(a),
		logsCmd(a),
		attachCmd(a),
		showCmd(a),
		stopCmd(a),
		rmCmd(a),
		pruneCmd(a),
		serviceCmd(a),
		containersCmd(a),
		schemaCmd(a),
		imageCmd(a),
		headersCmd(a),
		testCmd(a),
		shortcut(imagePullCmd(a, "")),
		shortcut(imagePushCmd(a, "")),
		loginCmd(a),
		logoutCmd(a),
		doctorCmd(a),
		configCmd(a),
		completionCmd(a),
		versionCmd(a),
		exitCodesTopic(),
		filterTopic(),
		settingsTopic(),
	)
	root.SetHelpCommand(helpCmd(a))
	return root
}

// group makes cmd a verb that only holds others: alone it prints its help, with an
// unknown verb it says which one was meant.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownVerb(cmd, args[0])
	}
	return cmd
}

// verb returns the verb of that name or alias below parent, nil when there is none.
func verb(parent *cobra.Command, name string) *cobra.Command {
	for _, c := range parent.Commands() {
		if c.Name() == name || c.HasAlias(name) {
			return c
		}
	}
	return nil
}

func unknownVerb(parent *cobra.Command, word string) error {
	var verbs []string
	for _, c := range parent.Commands() {
		if !c.Hidden {
			verbs = append(verbs, append(c.Aliases, c.Name())...)
		}
	}
	f := usageErrorf(parent, "unknown verb %q", word)
	if hint := didYouMean(parent.CommandPath()+" ", word, verbs); hint != "" {
		return f.hint("%s", hint)
	}
	if path := verbElsewhere(parent.Root(), word); path != "" {
		return f.hint("did you mean %s?", path)
	}
	return f
}

// verbElsewhere finds a verb of that name one level down, as in `gadget build`.
func verbElsewhere(root *cobra.Command, word string) string {
	for _, g := range root.Commands() {
		if c := verb(g, word); c != nil {
			return c.CommandPath()
		}
	}
	return ""
}

// exactArgs accepts exactly the arguments that names lists, and otherwise says
// which one is missing or too many.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usageErrorf(cmd, "%s: missing %s", cmd.CommandPath(), strings.Join(names[len(args):], " "))
		case len(args) > len(names):
			return usageErrorf(cmd, "%s: unexpected argument %q", cmd.CommandPath(), args[len(names)])
		}
		return nil
	}
}

package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// extendRun completes the command `run` before the arguments are parsed for good:
// which flags it has depends on the gadget. It looks ahead for the name of the
// image, plans its run, and adds its flags. Arguments of other verbs are left alone.
//
// Mistakes in the arguments are only reported here when they hide the image's name;
// all others are found again, and told better, by the parse that follows.
func extendRun(ctx context.Context, a *app, root *cobra.Command, args []string) error {
	completing := len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd)
	if completing {
		args = args[1:max(1, len(args)-1)] // the last word is not finished
	}
	cmd, rest, err := root.Find(args)
	if err != nil || cmd.Name() != "run" {
		return nil
	}
	ahead, err := lookAhead(a, rest)
	if completing && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	if ahead.image == "" {
		addCompat(cmd.Flags())
		return nil
	}
	if ahead.help || completing {
		ahead.app.run.pull.value = pullNever // help needs no network
	}
	g, err := ahead.app.openGadget(ctx, ahead.image)
	switch {
	case err == nil:
		addGadgetFlags(cmd, g)
		a.run.show.addSourceFilters(cmd, g)
		a.run.tables.addTo(cmd, g)
		a.run.metrics.addTo(cmd, g)
		a.gadget = g
	case ahead.help:
		cmd.Annotations = map[string]string{annotationMoreHelp: "The flags and fields of " + ahead.image + " are not known: " + explain(err).Error() + "\n"}
	case !completing:
		return err
	}
	addCompat(cmd.Flags())
	return nil
}

// ahead is what the arguments of run say before the gadget is known.
type ahead struct {
	app   *app
	image string
	help  bool
}

// lookAhead parses the arguments of run with a tree of its own, so that nothing is
// set twice in the real one.
func lookAhead(a *app, args []string) (*ahead, error) {
	probe := &app{streams: a.streams}
	root := rootCmd(probe)
	cmd := verb(root, "run")
	cmd.InitDefaultHelpFlag()
	fs := cmd.Flags()
	addCompat(fs)
	fs.AddFlagSet(root.PersistentFlags())

	fs.SetInterspersed(false)
	if err := fs.Parse(args); err != nil {
		return nil, misplaced(cmd, err)
	}
	next := &ahead{app: probe, image: fs.Arg(0)}
	if fs.NArg() > 1 {
		// Behind the image stand the gadget's flags, unknown yet, among ours.
		fs.SetInterspersed(true)
		fs.ParseErrorsAllowlist.UnknownFlags = true
		_ = fs.Parse(fs.Args()[1:])
	}
	next.help, _ = fs.GetBool("help")
	if err := probe.prepare(cmd); err != nil && !next.help {
		return nil, err
	}
	return next, nil
}

// misplaced words a mistake in the flags before the image. A flag that is not known
// there may well be one of the gadget.
func misplaced(cmd *cobra.Command, err error) error {
	f := asFault(flagFault(cmd, err))
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		f.hint("put the gadget's own flags after the image name: gadget run IMAGE --%s", unknown.GetSpecifiedName())
	}
	return f
}

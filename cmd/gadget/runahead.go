package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gadget-bpf/gadget/internal/plan"
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
	if namesFile(rest) {
		// Each of its gadgets has flags of its own, and parses them for itself.
		cmd.FParseErrWhitelist.UnknownFlags = true
		return nil
	}
	ahead, err := lookAhead(a, rest, nil)
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
	if ahead.app.run.watch && !ahead.help && !completing {
		watchInstead(a, cmd, ahead.image, args)
		addCompat(cmd.Flags())
		return nil
	}
	if ahead.help || completing {
		ahead.app.run.pull.value = pullNever // help needs no network
	} else {
		ahead.app.trust = &ahead.app.run.trust
	}
	if _, forked := a.env(envDetached); forked {
		ahead.app.run.pull.value = pullNever // whoever started this one has pulled
	}
	g, err := ahead.app.openGadget(ctx, ahead.image)
	if err == nil {
		err = customize(a, g, rest)
	}
	switch {
	case err == nil:
		a.run.addFor(cmd, g)
		completeFields(cmd, g)
		a.gadget = g
	case ahead.help:
		cmd.Annotations = map[string]string{annotationMoreHelp: "The flags and fields of " + ahead.image + " are not known: " + explain(err).Error() + "\n"}
	case !completing:
		return err
	}
	addCompat(cmd.Flags())
	return nil
}

// addFor gives cmd the flags that the gadget brings with it.
func (o *runOptions) addFor(cmd *cobra.Command, g *gadget) {
	o.show.addFor(cmd, g)
	o.tables.addTo(cmd, g)
	o.metrics.addTo(cmd, g)
	addGadgetFlags(cmd, g)
	o.showDefaults(cmd, g)
}

// customize plans the gadget anew when flags of its custom parameters are given:
// they patch its metadata, and so may change every other flag, field and hook
// (compat-spec §3.3). Mistakes in the arguments are left to the parse for good.
func customize(a *app, g *gadget, args []string) error {
	if !slices.ContainsFunc(g.plan.Params, func(p plan.Param) bool { return p.Custom() }) {
		return nil
	}
	ahead, err := lookAhead(a, args, g)
	if err != nil {
		return nil
	}
	given := map[string]string{}
	g.flags.given(ahead.cmd, func(v *paramValue) {
		if v.param.Custom() {
			given[v.param.Key] = v.text
		}
	})
	if len(given) == 0 {
		return nil
	}
	patched, problems, err := g.metadata.Patched(given, ahead.value(g))
	if err != nil {
		return err
	}
	ahead.app.note(problems)
	g.metadata = patched
	return ahead.app.replan(g)
}

// value finds the value of a parameter by its full name: one of the gadget, or
// one that is a flag here.
func (n *ahead) value(g *gadget) func(fullName string) (string, error) {
	return func(fullName string) (string, error) {
		var known []string
		for _, v := range g.flags {
			if known = append(known, v.param.FullName()); strings.EqualFold(v.param.FullName(), fullName) {
				return v.text, nil
			}
		}
		if f := flagOf(n.cmd, fullName); f != nil {
			return f.Value.String(), nil
		}
		slices.Sort(known)
		hint := didYouMean("", fullName, known)
		if hint != "" {
			hint = "; " + hint
		}
		return "", fmt.Errorf("there is no parameter %q%s", fullName, hint)
	}
}

// ahead is what the arguments of run say before they are parsed for good.
type ahead struct {
	app   *app
	cmd   *cobra.Command
	image string
	help  bool
}

// lookAhead parses the arguments of run with a tree of its own, so that nothing is
// set twice in the real one: for the name of the image while g is not known, and
// then for the values of its flags.
func lookAhead(a *app, args []string, g *gadget) (*ahead, error) {
	probe := &app{streams: a.streams}
	root := rootCmd(probe)
	cmd := verb(root, "run")
	cmd.InitDefaultHelpFlag()
	fs := cmd.Flags()
	if g != nil {
		probe.run.addFor(cmd, g)
	}
	addCompat(fs)
	// Whether the gadget has tables is not known yet.
	for _, name := range tableFlags {
		if f := fs.Lookup(name); f.Hidden {
			f.Value = ignored{}
		}
	}
	fs.AddFlagSet(root.PersistentFlags())

	fs.SetInterspersed(false)
	if err := fs.Parse(args); err != nil {
		return nil, misplaced(cmd, err)
	}
	next := &ahead{app: probe, cmd: cmd, image: fs.Arg(0)}
	if fs.ArgsLenAtDash() == 0 { // what follows the dashes is a command
		next.image = ""
	}
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

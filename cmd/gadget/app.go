package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
)

// streams are what a process talks to.
type streams struct {
	out, err io.Writer
	// in is where keys come from, nil for nowhere.
	in  *os.File
	env func(name string) (string, bool)
	// last is what to do when the process ends without coming back.
	last *lastWish
	// instance is the name of a run among others in this process, together what makes
	// them begin together; both empty for one by itself.
	instance string
	together *rendezvous
}

func processStreams() streams {
	return streams{out: os.Stdout, err: os.Stderr, in: os.Stdin, env: os.LookupEnv, last: &lastWish{}}
}

// app is what the verbs share: where to write, how much to say, and the settings
// that are not flags of one verb. The fields below streams are valid from prepare on.
type app struct {
	streams
	global globalOptions

	log      *slog.Logger
	term     view.Terminal // of stdout
	settings *settings

	// args are those of the whole command.
	args []string
	// runs is the directory of detached runs, of the verbs that have the flag.
	runs string

	// run and gadget are those of `gadget run`: its flags, and what it runs.
	run    *runOptions
	gadget *gadget
	// trust says which images may be opened; nil when they are only looked at.
	trust *trustOptions
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, s streams) exitCode {
	a := &app{streams: s, args: args}
	root := rootCmd(a)
	err := extendRun(ctx, a, root, args)
	if err == nil {
		root.SetArgs(args)
		err = root.ExecuteContext(ctx)
	}
	if interrupted := context.Cause(ctx); err == nil && errors.Is(interrupted, errInterrupted) {
		return exitInterrupted
	}
	return a.exit(root, args, a.report(ctx, err), err)
}

// exit is the code with which a verb ends whose error, already told, is err. A run
// with a command leaves the small codes to the command.
func (a *app) exit(root *cobra.Command, args []string, code exitCode, err error) exitCode {
	var end *commandEnd
	switch {
	case errors.As(err, &end):
		return end.code
	case code == exitOK || code >= exitCommandFailure || !slices.Contains(args, "--"):
		return code
	}
	if cmd, _, err := root.Find(args); err != nil || cmd.Name() != "run" {
		return code
	}
	return exitCommandFailure
}

// prepare fills the flags of cmd that were not given from the environment and the
// configuration files, then sets up logging and terminals by them. It runs before
// every verb.
func (a *app) prepare(cmd *cobra.Command) error {
	if !skipsSettings(cmd) {
		s, err := loadSettings(a.env)
		if err != nil {
			return err
		}
		if err := s.check(cmd.Root()); err != nil {
			return err
		}
		if err := s.apply(cmd); err != nil {
			return err
		}
		a.settings = s
	}
	return a.setUp(cmd)
}

// setUp makes the logger and looks at the terminals, by the flags as they are now.
func (a *app) setUp(cmd *cobra.Command) error {
	if err := a.global.check(cmd); err != nil {
		return err
	}
	a.log = newLogger(a.err, a.global)
	a.term = view.Detect(a.out, a.global.color.String(), a.env)
	return nil
}

// report prints err in words and returns the code that stands for it. A reader of
// stdout that went away is no error: it had enough.
func (a *app) report(ctx context.Context, err error) exitCode {
	var end *commandEnd
	if err == nil || errors.Is(err, syscall.EPIPE) || errors.As(err, &end) {
		return exitOK
	}
	if errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errInterrupted) {
		return exitInterrupted
	}
	f := explain(err)
	if f.silent {
		return f.code
	}
	f.print(a.err, a.global.logFormat.String(), a.errTerm())
	return f.code
}

// errTerm is the terminal of stderr.
func (a *app) errTerm() view.Terminal {
	return view.Detect(a.err, a.global.color.String(), a.env)
}

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// exitCode is what the process returns to whoever started it.
type exitCode int

// The exit codes. Scripts rely on them; `gadget help exit-codes` documents them.
const (
	exitOK      exitCode = 0
	exitFailure exitCode = 1
	exitUsage   exitCode = 2
	exitHost    exitCode = 3
	exitLoss    exitCode = 4
	exitPolicy  exitCode = 5
	// With a command after --, gadget returns its code, exitSignal and the number of
	// the signal that ended it, or one of these, as shells have them.
	exitCommandFailure exitCode = 125
	exitCommandRefused exitCode = 126
	exitCommandMissing exitCode = 127
	exitSignal         exitCode = 128
	// exitInterrupted is 128 + SIGINT, as shells count.
	exitInterrupted exitCode = 130
)

// exitMeanings in the order they are documented.
var exitMeanings = []struct {
	code    exitCode
	meaning string
}{
	{exitOK, "done; also when --timeout, --max-events or the key q ended the run, or the reader of stdout went away"},
	{exitFailure, "failure: the work was tried and did not succeed"},
	{exitUsage, "usage: an unknown verb, flag, field or value, or a broken configuration file"},
	{exitHost, "this host cannot run it: missing root or capability, no BTF, missing hook, refused by the verifier"},
	{exitLoss, "events were lost and --fail-on-loss was given"},
	{exitPolicy, "refused by policy: the image is not signed as the policy wants, or could change the system and nobody has allowed it (--allow change)"},
	{exitInterrupted, "interrupted by Ctrl-C or SIGTERM; what was in flight has been printed, unless it was sent twice"},
}

// commandMeanings are those of a run with a command.
var commandMeanings = []struct {
	code    exitCode
	meaning string
}{
	{exitCommandFailure, "gadget itself failed, for any of the reasons above"},
	{exitCommandRefused, "the command cannot be executed"},
	{exitCommandMissing, "there is no such command"},
}

// exitCodesTopic is the help topic exit-codes.
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("gadget ends with one of these codes:\n\n")
	for _, m := range exitMeanings {
		fmt.Fprintf(&b, "  %3d  %s\n", m.code, m.meaning)
	}
	b.WriteString(`
When several apply, loss (4) wins over an interruption (130).

gadget run IMAGE -- COMMAND ends with the code of the command instead, 128 and the
number of the signal that ended it, or one of these:

`)
	for _, m := range commandMeanings {
		fmt.Fprintf(&b, "  %3d  %s\n", m.code, m.meaning)
	}
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long:  b.String(),
	}
}

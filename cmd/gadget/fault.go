package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
)

// fault is an error worded for a person: what went wrong, and what to do next.
type fault struct {
	code exitCode
	err  error
	// hints are next steps, one a line.
	hints []string
	// usage is the command whose --help says more, "" for none.
	usage string
	// silent faults have been told already; only the code is left to return.
	silent bool
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// usageErrorf is a mistake in how cmd was called.
func usageErrorf(cmd *cobra.Command, format string, args ...any) *fault {
	return &fault{
		code: exitUsage, err: fmt.Errorf(format, args...),
		usage: firstNonEmpty(cmd.Annotations[annotationHelpPath], cmd.CommandPath()),
	}
}

// annotationHelpPath is the command annotation with what comes before --help, for a
// command whose help depends on an argument.
const annotationHelpPath = "help-path"

// hint adds a next step; empty ones are dropped, so that callers can pass the
// result of a search that found nothing.
func (f *fault) hint(format string, args ...any) *fault {
	if text := fmt.Sprintf(format, args...); text != "" {
		f.hints = append(f.hints, text)
	}
	return f
}

// print writes the fault for a person, or as one JSON object when logs are JSON.
func (f *fault) print(w io.Writer, format string, t view.Terminal) {
	if format == "json" {
		line, _ := json.Marshal(struct {
			Level string   `json:"level"`
			Msg   string   `json:"msg"`
			Hints []string `json:"hints,omitempty"`
			Exit  exitCode `json:"exit"`
		}{"ERROR", f.err.Error(), f.hints, f.code})
		w.Write(append(line, '\n'))
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", t.Red("gadget:"), view.SafeText(f.err.Error()))
	for _, h := range f.hints {
		for i, line := range strings.Split(view.SafeText(h), "\n") {
			lead := "  → "
			if i > 0 {
				lead = "    "
			}
			b.WriteString(lead + line + "\n")
		}
	}
	if f.usage != "" {
		fmt.Fprintf(&b, "  → see: %s --help\n", f.usage)
	}
	io.WriteString(w, b.String())
}

// asFault returns the fault in err's chain, nil when there is none.
func asFault(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

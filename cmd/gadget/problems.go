package main

import (
	"fmt"
	"io"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/schemas"
)

// printProblems writes findings about files as compilers do, so that editors can
// jump to them. With strict a warning is an error.
func printProblems(w io.Writer, t view.Terminal, problems []schemas.Problem, strict bool) {
	for _, p := range problems {
		severity := t.Yellow("warning:")
		if p.Severity == schemas.Error || strict {
			severity = t.Red("error:")
		}
		place := ""
		if pos := p.Pos.String(); pos != "" {
			place = t.Bold(view.Safe(pos)+":") + " "
		}
		fmt.Fprintf(w, "%s%s %s\n", place, severity, view.SafeText(p.Message))
		if p.Hint != "" {
			fmt.Fprintf(w, "  → %s\n", view.SafeText(p.Hint))
		}
	}
}

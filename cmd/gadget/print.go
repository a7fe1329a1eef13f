package main

import (
	"encoding/json"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
)

// addOutput gives cmd the flag -o with the formats of output.
func addOutput(cmd *cobra.Command, output *choice) {
	text := "print as "
	for i, f := range output.of {
		switch {
		case i == 0:
		case i == len(output.of)-1:
			text += " or "
		default:
			text += ", "
		}
		text += f
	}
	if output.template {
		text += "; " + goTemplate + "TEMPLATE for a template of Go"
	}
	cmd.Flags().VarP(output, "output", "o", text)
	output.complete(cmd, "output")
}

// print writes a result to stdout: value as JSON or YAML or by a template, or what
// human writes in any other format.
func (a *app) print(format string, value any, human func(io.Writer, view.Terminal) error) error {
	if text, ok := strings.CutPrefix(format, goTemplate); ok {
		t, err := parseTemplate(text)
		if err != nil {
			return err
		}
		return writeTemplate(a.out, t, value)
	}
	switch format {
	case "json":
		return printJSON(a.out, value)
	case "yaml":
		return view.WriteYAML(a.out, value)
	}
	return human(a.out, a.term)
}

func printJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/metric"
	"github.com/gadget-bpf/gadget/internal/plan"
)

type schemaOptions struct {
	output choice
	source string
	lines  bool
}

func schemaCmd(a *app) *cobra.Command {
	opts := schemaOptions{output: oneOf("FORMAT", "json", "yaml")}
	cmd := &cobra.Command{
		Use:     "schema IMAGE|DIR",
		Short:   "Print the JSON Schema of a gadget's events",
		GroupID: groupRun,
		Long: `Print the JSON Schema (draft 2020-12) of the JSON that gadget run -o json prints for
this gadget: which members an event has, their types, ranges and descriptions. With
several data sources a line is of one of them.

A table is one array a line, with -o jsonl one object a line: --lines describes that.`,
		Example: `  gadget schema trace_exec
  gadget schema snapshot_process --lines
  gadget schema trace_open | jq '.properties | keys'`,
		Args:              exactArgs("IMAGE"),
		ValidArgsFunction: a.completeRunnable,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSchema(cmd.Context(), a, cmd, args[0], opts)
		},
	}
	addOutput(cmd, &opts.output)
	fs := cmd.Flags()
	fs.StringVar(&opts.source, "source", "", "only the data source `NAME`")
	fs.BoolVar(&opts.lines, "lines", false, "describe -o jsonl, one object a line")
	return cmd
}

func runSchema(ctx context.Context, a *app, cmd *cobra.Command, name string, opts schemaOptions) error {
	g, err := a.openGadget(ctx, name)
	if err != nil {
		return err
	}
	var schemas []*event.Schema
	var names []string
	for _, s := range g.plan.Sources {
		if s.Kind == plan.Rendered {
			continue // a drawing; in JSON there are the metrics
		}
		names = append(names, s.Name)
		if opts.source == "" || opts.source == s.Name {
			schemas = append(schemas, schemaOf(s, opts.lines))
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no data sources, and so no events", name)
	}
	if len(schemas) == 0 {
		f := usageErrorf(cmd, "%s has no data source %q", name, opts.source)
		return f.hint("%s", firstNonEmpty(didYouMean("", opts.source, names), "it has "+strings.Join(names, ", ")))
	}
	root := schemas[0]
	if len(schemas) > 1 {
		root = &event.Schema{Title: name, AnyOf: schemas}
	}
	root.Schema = event.SchemaDialect
	return a.print(opts.output.String(), root, nil)
}

// schemaOf describes the JSON of a data source.
func schemaOf(s *plan.Source, lines bool) *event.Schema {
	if s.Metrics == nil {
		return event.NewSchema(s.Layout, event.JSONOptions{Lines: lines})
	}
	form := metric.Array
	if lines {
		form = metric.Lines
	}
	schema := metric.Schema(s.Metrics, form)
	schema.Title = s.Name
	return schema
}

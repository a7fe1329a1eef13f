package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/builder"
	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/schemas"
)

type lintOptions struct {
	output choice
	strict bool
}

func imageLintCmd(a *app) *cobra.Command {
	opts := lintOptions{output: oneOf("FORMAT", "text", "json", "yaml")}
	cmd := &cobra.Command{
		Use:   "lint DIR|IMAGE",
		Short: "Find what is wrong with a gadget, or makes it hard to use",
		Long: `Find everything that can be said against a gadget, each with its place and what to do:
what gadget image build refuses or warns of, fields and parameters without a
description, events that cannot be given to a container.

The exit code is 1 when there is an error, with --strict also for a warning.`,
		Example: `  gadget image lint ./mysnoop
  gadget image lint ghcr.io/acme/mysnoop:v1 -o json
  gadget image lint --strict . && gadget image build -t mysnoop .`,
		Args:              exactArgs("DIR|IMAGE"),
		ValidArgsFunction: a.completeRunnable,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runImageLint(cmd.Context(), a, args[0], opts)
		},
	}
	addOutput(cmd, &opts.output)
	cmd.Flags().BoolVar(&opts.strict, "strict", false, "exit with 1 for warnings, too")
	return cmd
}

func runImageLint(ctx context.Context, a *app, name string, opts lintOptions) error {
	problems, err := a.lint(ctx, name)
	var refused *builder.CheckError
	if errors.As(err, &refused) {
		problems, err = refused.Problems, nil
	}
	if err != nil {
		return err
	}
	if err := a.print(opts.output.String(), findings(problems), func(w io.Writer, t view.Terminal) error {
		printProblems(w, t, problems, opts.strict)
		return nil
	}); err != nil {
		return err
	}
	if schemas.Refusal(problems, opts.strict) != nil {
		return &fault{code: exitFailure, err: fmt.Errorf("%s has errors", name), silent: true}
	}
	if len(problems) == 0 {
		a.notice("nothing found")
	}
	return nil
}

// lint finds the problems of a directory with a gadget's source, or of an image.
func (a *app) lint(ctx context.Context, name string) ([]schemas.Problem, error) {
	if isSource(name) {
		source, err := builder.ResolveSource(name, builder.SourceOptions{})
		if err != nil {
			return nil, err
		}
		return builder.Lint(ctx, source, a.builderOptions())
	}
	image, _, err := a.runnable(ctx, name)
	if err != nil {
		return nil, err
	}
	if image.Platform(runtime.GOARCH) == nil && len(image.Platforms) == 0 {
		return nil, fmt.Errorf("%s has no platforms", name)
	}
	return builder.LintImage(image, name+": "+schemas.DefaultMetadataFile)
}

// finding is a problem in JSON.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Fix      string `json:"fix,omitempty"`
}

func findings(problems []schemas.Problem) []finding {
	out := []finding{}
	for _, p := range problems {
		out = append(out, finding{p.Pos.File, p.Pos.Line, p.Pos.Col, p.Severity.String(), p.Message, p.Hint})
	}
	return out
}

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/registry"
)

// imagePullCmd is pull below the verb parent, "" for the root.
func imagePullCmd(a *app, parent string) *cobra.Command {
	opts := &moveOptions{}
	cmd := &cobra.Command{
		Use:   "pull IMAGE…",
		Short: "Pull images from their registries",
		Long: `Pull images into the local store: all platforms, and the signatures and whatever
else is attached to them. What is here already is not fetched again. When a pull
fails, the store is as it was.

The last thing on stdout is the name with the digest that was pulled.`,
		Example: `  gadget ` + parent + `pull ghcr.io/acme/mysnoop:v1
  gadget ` + parent + `pull --platform linux/arm64 ghcr.io/acme/mysnoop:v1
  gadget ` + parent + `pull -q ghcr.io/acme/mysnoop@sha256:…`,
		Args: oneOrMore("IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runImagePull(cmd.Context(), a, args, opts)
		},
	}
	opts.addTo(cmd)
	return cmd
}

// oneOrMore wants at least one argument.
func oneOrMore(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return exactArgs(name)(cmd, args)
		}
		return nil
	}
}

func runImagePull(ctx context.Context, a *app, names []string, opts *moveOptions) error {
	var refs []registry.Reference
	for _, n := range names {
		ref, err := registry.ParseReference(n)
		if err != nil {
			return &fault{code: exitUsage, err: err}
		}
		refs = append(refs, ref)
	}
	store, err := a.openStore()
	if err != nil {
		return err
	}
	var all []*moved
	for _, ref := range refs {
		from, err := a.source(ref, &opts.transport)
		if err != nil {
			return err
		}
		done, err := a.move(ctx, move{
			verb: "pull", from: from, name: ref.String(), to: store, ref: ref, platforms: opts.platforms,
		})
		if err != nil {
			return err
		}
		all = append(all, done)
	}
	return a.printMoved(opts.output.String(), all)
}

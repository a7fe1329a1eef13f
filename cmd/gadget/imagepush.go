package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/registry"
)

// moveOptions are the flags of push, pull and copy.
type moveOptions struct {
	output    choice
	platforms []string
	transport transportOptions
}

func (o *moveOptions) addTo(cmd *cobra.Command) {
	o.output = oneOf("FORMAT", "columns", "json")
	addOutput(cmd, &o.output)
	cmd.Flags().StringSliceVar(&o.platforms, "platform", nil, "only these `PLATFORMS`, such as linux/amd64: an image with a digest of its own (default all)")
	o.transport.addTo(cmd)
}

// imagePushCmd is push below the verb parent, "" for the root.
func imagePushCmd(a *app, parent string) *cobra.Command {
	opts := &moveOptions{}
	cmd := &cobra.Command{
		Use:   "push IMAGE",
		Short: "Push an image to its registry",
		Long: `Push an image of this machine to the registry that its name says: all platforms,
and the signatures and whatever else is attached to it. Its digest stays the same,
and is the last thing on stdout.`,
		Example: `  gadget ` + parent + `push ghcr.io/acme/mysnoop:v1
  gadget ` + parent + `push localhost:5000/mysnoop:v1 --plain-http`,
		Args:              exactArgs("IMAGE"),
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runImagePush(cmd.Context(), a, args[0], opts)
		},
	}
	opts.addTo(cmd)
	return cmd
}

func runImagePush(ctx context.Context, a *app, name string, opts *moveOptions) error {
	ref, err := registry.ParseReference(name)
	if err != nil {
		return &fault{code: exitUsage, err: err}
	}
	found, err := a.find(ctx, name)
	if err != nil {
		return err
	}
	done, err := a.move(ctx, move{
		verb: "push", from: found.source, name: found.desc.Digest.String(), to: a.remote(ref, &opts.transport), ref: ref, platforms: opts.platforms,
	})
	if err != nil {
		return err
	}
	return a.printMoved(opts.output.String(), []*moved{done})
}

// shortcut makes a verb of `gadget image` one of the root.
func shortcut(cmd *cobra.Command) *cobra.Command {
	cmd.GroupID = groupImages
	return cmd
}

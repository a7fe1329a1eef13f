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
	// compat is what push and copy make of the image.
	compat    choice
	transport transportOptions
}

// Kinds of images that --compat chooses from.
const (
	compatNone  = "none"
	compatImage = "image"
)

func (o *moveOptions) addTo(cmd *cobra.Command) {
	o.output = oneOf("FORMAT", "columns", "json")
	addOutput(cmd, &o.output)
	addPlatforms(cmd, &o.platforms)
	o.transport.addTo(cmd)
}

// addPlatforms gives cmd the flag by which it moves a part of an image.
func addPlatforms(cmd *cobra.Command, platforms *[]string) {
	cmd.Flags().StringSliceVar(platforms, "platform", nil, "only these `PLATFORMS`, such as linux/amd64: an image with a digest of its own (default all)")
}

// addCompat gives cmd the flag for registries that know container images only.
func (o *moveOptions) addCompat(cmd *cobra.Command) {
	o.compat = oneOf("KIND", compatNone, compatImage)
	cmd.Flags().Var(&o.compat, "compat", "image makes a container image of it, for registries that take nothing else: with another digest, without signatures")
	o.compat.complete(cmd, "compat")
}

// imagePushCmd is push below the verb parent, "" for the root.
func imagePushCmd(a *app, parent string) *cobra.Command {
	opts := &moveOptions{}
	cmd := &cobra.Command{
		Use:   "push IMAGE",
		Short: "Push an image to its registry",
		Long: `Push an image of this machine to the registry that its name says: all platforms,
and the signatures and whatever else is attached to it. Its digest stays the same,
and is the last thing on stdout.

Some registries take container images only. --compat image pushes the gadget as one:
its files are in tars, and its media types are those of container images. It is an
image with a digest of its own, which gadget pulls and runs like any other.`,
		Example: `  gadget ` + parent + `push ghcr.io/acme/mysnoop:v1
  gadget ` + parent + `push registry.example.com/old/mysnoop:v1 --compat image
  gadget ` + parent + `push localhost:5000/mysnoop:v1 --plain-http`,
		Args:              exactArgs("IMAGE"),
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runImagePush(cmd.Context(), a, args[0], opts)
		},
	}
	opts.addTo(cmd)
	opts.addCompat(cmd)
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
		verb: "push", from: found.source, name: found.desc.Digest.String(), to: a.remote(ref, &opts.transport), ref: ref,
		platforms: opts.platforms, compat: opts.compat.String(),
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

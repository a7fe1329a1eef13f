package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/builder"
	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/schemas"
)

type diffOptions struct {
	output    choice
	platform  string
	transport transportOptions
}

func imageDiffCmd(a *app) *cobra.Command {
	opts := diffOptions{output: oneOf("FORMAT", "diff", "json", "yaml")}
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Show what changed between two images",
		Long: `Show what changed from image A to image B: the description, the programs with their
hooks, sizes and the functions of the kernel that they call, the maps, the data sources
with their fields, the parameters, the platforms, and what is attached, such as
signatures. Where fields lie in memory makes no difference.

A and B are images here or in a registry, oci:DIR, oci-archive:FILE, or a directory with
the source of a gadget, which is built and not kept. Of images in a registry only
manifests, metadata and programs are fetched.

The exit code is 0 when both are the same image, 1 when they differ, and 2 when they
could not be compared, as that of diff.`,
		Example: `  gadget image diff mysnoop:v1 mysnoop:v2
  gadget image diff ghcr.io/acme/mysnoop:v1 ./mysnoop
  gadget image diff oci-archive:old.tar mysnoop -o json | jq '.changes[] | select(.kind == "field")'`,
		Args:              exactArgs("A", "B"),
		ValidArgsFunction: a.completeTwoImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			same, err := runImageDiff(cmd.Context(), a, args[0], args[1], &opts)
			switch {
			case err != nil && !errors.Is(err, context.Canceled):
				f := explain(err)
				f.code = exitUsage
				return f
			case err == nil && !same:
				return &fault{code: exitFailure, err: errors.New("the images differ"), silent: true}
			}
			return err
		},
	}
	addOutput(cmd, &opts.output)
	opts.transport.addTo(cmd)
	cmd.Flags().StringVar(&opts.platform, "platform", "", "compare the programs for this `PLATFORM` (default this machine's, if both have it)")
	return cmd
}

// completeTwoImages completes the names of all images here, twice.
func (a *app) completeTwoImages(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeRunnable(cmd, nil, word)
}

// side is one of the images that are compared.
type side struct {
	name   string
	found  *foundImage
	info   *registry.Info
	remove func()
}

func runImageDiff(ctx context.Context, a *app, nameA, nameB string, opts *diffOptions) (same bool, err error) {
	left, err := a.openSide(ctx, nameA, opts)
	if err != nil {
		return false, err
	}
	defer left.remove()
	right, err := a.openSide(ctx, nameB, opts)
	if err != nil {
		return false, err
	}
	defer right.remove()
	platform, err := choosePlatform(opts.platform, nameA+" and "+nameB, left.info, right.info)
	if err != nil {
		return false, err
	}
	old, err := a.inspectSide(ctx, left, platform)
	if err != nil {
		return false, err
	}
	now, err := a.inspectSide(ctx, right, platform)
	if err != nil {
		return false, err
	}
	d := compare(old, now)
	err = a.print(opts.output.String(), d, func(w io.Writer, t view.Terminal) error { return d.write(w, t) })
	return d.Same, err
}

// openSide finds an image, or builds one of source into a store of its own.
func (a *app) openSide(ctx context.Context, name string, opts *diffOptions) (*side, error) {
	s := &side{name: name, remove: func() {}}
	var err error
	if parsePlace(name).kind == "" && isSource(name) {
		err = a.buildSide(ctx, s)
	} else {
		s.found, _, err = a.locate(ctx, name, &opts.transport)
	}
	if err == nil {
		s.info, err = registry.Describe(ctx, s.found.source, s.found.desc)
	}
	if err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

func (a *app) buildSide(ctx context.Context, s *side) error {
	image, err := a.build(ctx, s.name, &buildOptions{platforms: builder.Platforms()})
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gadget-diff-")
	if err != nil {
		return err
	}
	s.remove = func() { _ = os.RemoveAll(dir) }
	store, err := registry.OpenStore(dir, registry.StoreOptions{Log: a.log})
	if err != nil {
		return err
	}
	desc, err := store.Put(ctx, image)
	s.found = &foundImage{source: store, desc: desc, name: s.name}
	return err
}

// inspectSide says all that is compared of an image.
func (a *app) inspectSide(ctx context.Context, s *side, platform string) (*compared, error) {
	_, arch, _ := strings.Cut(platform, "/")
	image, err := registry.LoadLayers(ctx, s.found.source, s.info, arch, schemas.MediaTypeProgram)
	if err != nil {
		return nil, err
	}
	g, err := a.planFor(s.name, image, arch)
	if err != nil {
		return nil, err
	}
	attached, err := registry.ListAttached(ctx, s.found.source, s.info)
	if err != nil {
		return nil, err
	}
	v := inspect(a, s.info, g.plan, platform)
	v.Name = s.found.name
	return &compared{inspection: v, attached: attached}, nil
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/schemas"
)

type inspectOptions struct {
	output       choice
	platform     string
	onThisKernel bool
	transport    transportOptions
	allow        permissions
}

func imageInspectCmd(a *app) *cobra.Command {
	opts := inspectOptions{output: oneOf("FORMAT", "columns", "json", "yaml")}
	opts.output.template = true
	cmd := &cobra.Command{
		Use:   "inspect IMAGE",
		Short: "Show what an image is, does, costs and gives, without running it",
		Long: `Show everything that can be known of an image without running it: its platforms,
the programs and where they attach, the maps and their memory, the parameters with
their defaults, the data sources with their fields.

An image that is not here is looked at in its registry, of which only manifests and
metadata are fetched. oci:DIR and oci-archive:FILE are images in a directory or
archive; registry:NAME is looked at in its registry also when it is here.

--on-this-kernel loads the programs and attaches them, and takes them away at once: it
shows which of them are used here, and why the others are not. This needs root, and
--allow change for programs that can change the system: for that moment they could.`,
		Example: `  gadget image inspect trace_exec
  gadget image inspect mysnoop:v1 -o json | jq '.maps[] | {name, bytes}'
  gadget image inspect mysnoop:v1 -o go-template='{{range .programs}}{{.hook}}\n{{end}}'
  gadget image inspect ghcr.io/acme/mysnoop:v1
  sudo gadget image inspect mysnoop:v1 --on-this-kernel
  gadget image inspect oci-archive:mysnoop.tar`,
		Args:              exactArgs("IMAGE"),
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runImageInspect(cmd.Context(), a, cmd, args[0], opts)
		},
	}
	addOutput(cmd, &opts.output)
	opts.transport.addTo(cmd)
	cmd.Flags().StringVar(&opts.platform, "platform", "", "look at the programs for this `PLATFORM` (default this machine's, if the image has it)")
	opts.allow.addTo(cmd)
	cmd.Flags().BoolVar(&opts.onThisKernel, "on-this-kernel", false, "load and attach the programs for a moment, and show which are used and why; needs root")
	return cmd
}

// layers are the media types of what is looked into.
func (o *inspectOptions) layers() []string {
	types := []string{schemas.MediaTypeProgram}
	if o.onThisKernel {
		types = append(types, schemas.MediaTypeBTFGen)
	}
	return types
}

func runImageInspect(ctx context.Context, a *app, cmd *cobra.Command, name string, opts inspectOptions) error {
	found, remote, err := a.locate(ctx, name, &opts.transport)
	if err != nil {
		return err
	}
	source := registry.ReadOnce(found.source)
	info, err := registry.Describe(ctx, source, found.desc)
	if err != nil {
		return err
	}
	platform, err := choosePlatform(opts.platform, name, info)
	if err != nil {
		return err
	}
	if opts.onThisKernel && platform != hostPlatform() {
		return usageErrorf(cmd, "--on-this-kernel is about %s, not about %s", hostPlatform(), platform)
	}
	if opts.onThisKernel && remote {
		return usageErrorf(cmd, "--on-this-kernel needs the programs, and %s is not here", name).
			hint("get it with gadget pull %s", found.name)
	}
	_, arch, _ := strings.Cut(platform, "/")
	var image *schemas.Image
	if remote {
		// Metadata tells much, and layers are what takes time.
		image = &schemas.Image{Metadata: info.Metadata, Platforms: []schemas.Platform{{OS: "linux", Arch: arch}}}
		a.log.Warn("only manifests and metadata were fetched: programs, hooks and maps are not shown; gadget pull " + found.name + " gets them")
	} else if image, err = registry.LoadLayers(ctx, found.source, info, arch, opts.layers()...); err != nil {
		return err
	}
	g, err := a.planFor(name, image, arch)
	if err != nil {
		return err
	}
	result := inspect(a, info, g.plan, platform)
	result.Name, result.BuiltIn, result.Partial = found.name, found.builtIn, remote
	if !found.builtIn {
		result.Signed = signers(ctx, source, found.desc, a.knownKeys())
	}
	var refused error
	if opts.onThisKernel {
		if err := a.admit(ctx, name, found, &trustOptions{}); err != nil {
			return err
		}
		uses, err := runner.Try(g.plan, runner.Options{
			BTFGen: g.btfgen, Log: a.log, AllowChange: opts.allow.change || found.builtIn,
			Notice: func(text string) { a.log.Warn(text) },
		})
		if uses == nil && err != nil {
			return err
		}
		result.addUses(uses)
		refused = err
	}
	err = a.print(opts.output.String(), result, func(w io.Writer, t view.Terminal) error {
		if err := result.write(w, t); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	})
	return cmp.Or(err, refused)
}

// platformsOf are the platforms of an image, in the form linux/amd64.
func platformsOf(info *registry.Info) []string {
	var have []string
	for _, p := range info.Platforms {
		have = append(have, p.OS+"/"+p.Arch)
	}
	return have
}

// choosePlatform is the platform of images to look at: the one that is asked for, or
// this machine's, or the first that they all have. name stands for them.
func choosePlatform(asked, name string, images ...*registry.Info) (string, error) {
	have := platformsOf(images[0])
	for _, other := range images[1:] {
		have = slices.DeleteFunc(have, func(p string) bool { return !slices.Contains(platformsOf(other), p) })
	}
	switch {
	case slices.Contains(have, asked):
		return asked, nil
	case asked != "":
		f := &fault{code: exitUsage, err: fmt.Errorf("%s has nothing for %q", name, asked)}
		return "", f.hint("it has: %s", strings.Join(have, ", "))
	case slices.Contains(have, hostPlatform()):
		return hostPlatform(), nil
	case len(have) > 0:
		return have[0], nil
	}
	return "", &fault{code: exitFailure, err: fmt.Errorf("%s: there is no platform to look at", name)}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gadget-bpf/gadget/registry"
)

type saveOptions struct {
	file      string
	platforms []string
}

func imageSaveCmd(a *app) *cobra.Command {
	opts := &saveOptions{}
	cmd := &cobra.Command{
		Use:   "save -o FILE IMAGE…",
		Short: "Save images into an archive",
		Long: `Save images of this machine into an archive, with all platforms and with what is
attached to them, such as signatures. The archive is a tar of an OCI image layout,
which skopeo, podman and others read as oci-archive:FILE. The same images make the
same bytes. With -o - it is written to stdout.`,
		Example: `  gadget image save -o gadgets.tar mysnoop:v1 trace_exec
  gadget image save -o - mysnoop:v1 | ssh host gadget image load -i -`,
		Args:              oneOrMore("IMAGE"),
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.file == "" {
				return usageErrorf(cmd, "where to? -o FILE is missing")
			}
			return runImageSave(cmd.Context(), a, args, opts)
		},
	}
	cmd.Flags().StringVarP(&opts.file, "output", "o", "", "`FILE` to write, - for stdout")
	addPlatforms(cmd, &opts.platforms)
	return cmd
}

// imageExportCmd is save as other tools of this image format call it.
func imageExportCmd(a *app) *cobra.Command {
	opts := &saveOptions{}
	cmd := &cobra.Command{
		Use:     "export IMAGE… FILE",
		Short:   "Save images into an archive: save with the file last",
		Long:    `Save images of this machine into an archive. It is gadget image save -o FILE IMAGE…`,
		Example: `  gadget image export mysnoop:v1 trace_exec gadgets.tar`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return exactArgs("IMAGE", "FILE")(cmd, args)
			}
			return nil
		},
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.file = args[len(args)-1]
			return runImageSave(cmd.Context(), a, args[:len(args)-1], opts)
		},
	}
	addPlatforms(cmd, &opts.platforms)
	return cmd
}

func runImageSave(ctx context.Context, a *app, names []string, opts *saveOptions) error {
	file := opts.file
	if file == "-" && term.IsTerminal(int(os.Stdout.Fd())) {
		f := &fault{code: exitUsage, err: errors.New("an archive is not for terminals")}
		return f.hint("give -o FILE, or send stdout somewhere")
	}
	var moves []move
	for _, n := range names {
		found, err := a.find(ctx, n)
		if err != nil {
			return err
		}
		m := move{verb: "save", from: found.source, name: found.desc.Digest.String(), platforms: opts.platforms}
		// By a digest it is saved without a name.
		if ref, err := registry.ParseReference(n); err == nil && isNameOf(ctx, found, ref) {
			m.ref = ref
		}
		moves = append(moves, m)
	}
	to, finish, err := createArchive(file)
	if err != nil {
		return err
	}
	all, err := a.moveAll(ctx, moves, to)
	if err := errors.Join(err, finish(err)); err != nil {
		return fmt.Errorf("save %s: %w", file, err)
	}
	if file == "-" {
		return nil
	}
	return a.printMoved("", all)
}

// isNameOf says whether an image was found by its name rather than by its digest.
func isNameOf(ctx context.Context, found *foundImage, ref registry.Reference) bool {
	names, ok := found.source.(interface {
		Names() ([]registry.Entry, error)
	})
	if !ok {
		return false
	}
	entries, err := names.Names()
	for _, e := range entries {
		if err == nil && e.Reference == ref && e.Digest == found.desc.Digest {
			return true
		}
	}
	return false
}

func (a *app) moveAll(ctx context.Context, moves []move, to registry.Target) ([]*moved, error) {
	var all []*moved
	for _, m := range moves {
		m.to = to
		done, err := a.move(ctx, m)
		if err != nil {
			return nil, err
		}
		all = append(all, done)
	}
	return all, nil
}

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/registry"
)

type loadOptions struct {
	input     string
	output    choice
	platforms []string
}

func imageLoadCmd(a *app) *cobra.Command {
	opts := &loadOptions{output: oneOf("FORMAT", "columns", "json")}
	cmd := &cobra.Command{
		Use:   "load -i FILE",
		Short: "Load the images of an archive into the store",
		Long: `Load all images of an archive into the local store, with what is attached to them.
The archive is a tar of an OCI image layout, as gadget image save makes it. An image
whose name is not full is loaded without a name; give it one with gadget image tag,
or use gadget image copy. With -i - the archive is read from stdin.`,
		Example: `  gadget image load -i gadgets.tar
  ssh host cat gadgets.tar | gadget image load -i -`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.input == "" {
				return usageErrorf(cmd, "what to load? -i FILE is missing")
			}
			return runImageLoad(cmd.Context(), a, opts)
		},
	}
	cmd.Flags().StringVarP(&opts.input, "input", "i", "", "`FILE` to read, - for stdin")
	addOutput(cmd, &opts.output)
	addPlatforms(cmd, &opts.platforms)
	return cmd
}

// imageImportCmd is load as other tools of this image format call it.
func imageImportCmd(a *app) *cobra.Command {
	opts := &loadOptions{output: oneOf("FORMAT", "columns", "json")}
	cmd := &cobra.Command{
		Use:     "import FILE",
		Short:   "Load the images of an archive into the store: load with the file as argument",
		Long:    `Load all images of an archive into the local store. It is gadget image load -i FILE.`,
		Example: `  gadget image import gadgets.tar`,
		Args:    exactArgs("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.input = args[0]
			return runImageLoad(cmd.Context(), a, opts)
		},
	}
	addOutput(cmd, &opts.output)
	addPlatforms(cmd, &opts.platforms)
	return cmd
}

func runImageLoad(ctx context.Context, a *app, opts *loadOptions) error {
	path := opts.input
	if path == "-" {
		spooled, err := spool(os.Stdin)
		if err != nil {
			return err
		}
		defer os.Remove(spooled)
		path = spooled
	}
	archive, err := registry.OpenTar(path)
	if err != nil {
		return err
	}
	defer archive.Close()
	entries, err := archive.Names()
	if err != nil {
		return err
	}
	store, err := a.openStore()
	if err != nil {
		return err
	}
	var moves []move
	for _, e := range imagesOf(entries) {
		m := move{verb: "load", from: archive, name: e.Digest.String(), platforms: opts.platforms}
		if strings.Contains(e.Name, "/") {
			m.ref = e.Reference
		} else if e.Name != "" {
			a.log.Warn(fmt.Sprintf("%q is no full name: its image is loaded without one", e.Name))
		}
		moves = append(moves, m)
	}
	if len(moves) == 0 {
		return fmt.Errorf("%s has no images", opts.input)
	}
	all, err := a.moveAll(ctx, moves, store)
	if err != nil {
		return fmt.Errorf("load %s: %w", opts.input, err)
	}
	return a.printMoved(opts.output.String(), all)
}

// imagesOf leaves out entries without a name when others have one: they are parts
// of these.
func imagesOf(entries []registry.Entry) []registry.Entry {
	var named []registry.Entry
	for _, e := range entries {
		if e.Name != "" {
			named = append(named, e)
		}
	}
	if named == nil {
		return entries
	}
	return named
}

// maxSpool bounds what is read from stdin, in bytes.
const maxSpool = 16 << 30

// spool copies a stream into a file, where it can be read at any place.
func spool(from io.Reader) (string, error) {
	f, err := os.CreateTemp("", "gadget-load-*.tar")
	if err != nil {
		return "", fmt.Errorf("keep the archive for a while: %w", err)
	}
	defer f.Close()
	n, err := io.Copy(f, io.LimitReader(from, maxSpool+1))
	if err == nil && n > maxSpool {
		err = fmt.Errorf("more than %d bytes", int64(maxSpool))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("read the archive from stdin: %w", err)
	}
	return f.Name(), nil
}

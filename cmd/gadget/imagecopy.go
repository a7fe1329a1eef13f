package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/registry"
)

func imageCopyCmd(a *app) *cobra.Command {
	opts := &moveOptions{}
	cmd := &cobra.Command{
		Use:     "copy SRC DST",
		Aliases: []string{"cp"},
		Short:   "Copy an image between registries, directories, archives and the store",
		Long: `Copy an image with all platforms and with what is attached to it, such as
signatures. Digests stay the same. SRC and DST are each one of

  NAME                     an image in a registry
  store:NAME               an image of this machine
  oci:DIR[:NAME]           a directory in the OCI image layout
  oci-archive:FILE[:NAME]  a tar of such a directory

Without its own name the copy has that of SRC. An archive is written anew, a
directory keeps its other images.`,
		Example: `  gadget image copy ghcr.io/acme/mysnoop:v1 registry.example.com/mirror/mysnoop:v1
  gadget image copy store:mysnoop:v1 oci:./layout
  gadget image copy oci-archive:mysnoop.tar localhost:5000/mysnoop:v1`,
		Args: exactArgs("SRC", "DST"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runImageCopy(cmd.Context(), a, args[0], args[1], opts)
		},
	}
	opts.addTo(cmd)
	opts.addCompat(cmd)
	return cmd
}

func runImageCopy(ctx context.Context, a *app, src, dst string, opts *moveOptions) error {
	m := move{verb: "copy", platforms: opts.platforms, compat: opts.compat.String()}
	ref, err := a.copyFrom(ctx, parsePlace(src), &m, opts)
	if err != nil {
		return err
	}
	to := parsePlace(dst)
	if to.name != "" {
		if ref, err = registry.ParseReference(to.name); err != nil {
			return &fault{code: exitUsage, err: err}
		}
	}
	m.ref = ref
	finish := func(error) error { return nil }
	switch to.kind {
	case inStore:
		m.to, err = a.openStore()
	case inDir:
		m.to, err = registry.OpenStore(to.path, registry.StoreOptions{Log: a.log, Shared: true})
	case inArchive:
		m.to, finish, err = createArchive(to.path)
	default:
		m.to = a.remote(ref, &opts.transport)
	}
	if err != nil {
		return err
	}
	done, err := a.move(ctx, m)
	if err := errors.Join(err, finish(err)); err != nil {
		return err
	}
	return a.printMoved(opts.output.String(), []*moved{done})
}

// copyFrom sets where m is from. It returns the name that the image has there, the
// zero Reference when it has none that is full.
func (a *app) copyFrom(ctx context.Context, p place, m *move, opts *moveOptions) (registry.Reference, error) {
	var found *foundImage
	var err error
	ref, wrong := registry.ParseReference(p.name)
	switch p.kind {
	case inDir, inArchive:
		found, err = findIn(ctx, p)
		if p.name == "" || wrong != nil {
			ref = registry.Reference{}
		}
	case inStore:
		found, err = a.find(ctx, p.name)
		if err == nil && !isNameOf(ctx, found, ref) {
			ref = registry.Reference{} // found by its digest
		}
	default:
		if wrong != nil {
			return ref, &fault{code: exitUsage, err: wrong}
		}
		m.name = ref.String()
		m.from, err = a.source(ref, &opts.transport)
		return ref, err
	}
	if err != nil {
		return ref, err
	}
	m.from, m.name = found.source, found.desc.Digest.String()
	return ref, nil
}

// createArchive begins an archive. finish ends it, or removes it when what was to
// be written failed with an error; there is never half a file.
func createArchive(path string) (*registry.TarWriter, func(failed error) error, error) {
	if path == "-" {
		w := registry.NewTarWriter(os.Stdout)
		return w, func(failed error) error {
			if failed != nil {
				return nil
			}
			return w.Close()
		}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, nil, fmt.Errorf("create archive: %w", err)
	}
	w := registry.NewTarWriter(f)
	return w, func(failed error) error {
		defer os.Remove(f.Name()) // fails after the rename
		if failed != nil {
			return f.Close()
		}
		mode := os.FileMode(0o644)
		if err := errors.Join(w.Close(), f.Chmod(mode), f.Sync(), f.Close()); err != nil {
			return err
		}
		return os.Rename(f.Name(), path)
	}, nil
}

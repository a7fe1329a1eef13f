package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/registry"
)

func imageRemoveCmd(a *app) *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:     "remove IMAGE…",
		Aliases: []string{"rm"},
		Short:   "Remove images, or names of them",
		Long: `Remove a name of an image; the image itself is deleted with its last name. A digest,
or the beginning of one, stands for all names of an image. The image of a detached run that
goes on is only removed with --force.`,
		Example: `  gadget image remove mysnoop:v1
  gadget image rm $(gadget image list -q --selector repository='*mysnoop')`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exactArgs("IMAGE")(cmd, args)
			}
			return nil
		},
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runImageRemove(cmd.Context(), a, args, force)
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "also the image of a detached run")
	return cmd
}

// runImageRemove removes what it can: one image that is not there does not keep the
// others.
func runImageRemove(ctx context.Context, a *app, names []string, force bool) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if !force {
			if err := a.notInUse(ctx, name); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		removed, err := store.Remove(ctx, name)
		if errors.Is(err, registry.ErrNotFound) {
			err = a.notRemovable(ctx, name, err)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := a.tellRemoved(removed); err != nil {
			return err
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// notInUse refuses a name whose image a detached run has that goes on.
func (a *app) notInUse(ctx context.Context, name string) error {
	found, err := a.find(ctx, name)
	if err != nil || found.builtIn {
		return nil // it will be told better
	}
	dir, err := a.runsDir()
	if err != nil {
		return nil // then there is none
	}
	runs, err := dir.List()
	if err != nil {
		return err
	}
	for _, r := range runs {
		if !r.State.Status.Ended() && r.State.Digest == found.desc.Digest.String() {
			f := &fault{code: exitFailure, err: fmt.Errorf("%s is the image of the run %s", found.name, r.State.Name)}
			return f.hint("--force removes it all the same; the run goes on")
		}
	}
	return nil
}

// notRemovable tells a built-in gadget from a name that is nobody's.
func (a *app) notRemovable(ctx context.Context, name string, err error) error {
	found, findErr := a.find(ctx, name)
	if findErr == nil && found.builtIn {
		return &fault{code: exitFailure, err: fmt.Errorf("%s is built into this program and cannot be removed", found.name)}
	}
	f := &fault{code: exitFailure, err: err}
	return f.hint("gadget image list shows what is here")
}

func (a *app) tellRemoved(r registry.Removed) error {
	for _, name := range r.Names {
		if _, err := fmt.Fprintf(a.out, "removed %s\n", view.SafeText(name)); err != nil {
			return err
		}
	}
	if len(r.Left) > 0 {
		return nil
	}
	note := size(uint64(r.Bytes)) + " freed"
	if r.Deferred {
		note = "to be freed by the next removal: the store is busy"
	}
	_, err := fmt.Fprintf(a.out, "deleted %s (%s)\n", r.Digest, note)
	return err
}

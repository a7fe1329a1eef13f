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
	return &cobra.Command{
		Use:     "remove IMAGE…",
		Aliases: []string{"rm"},
		Short:   "Remove images, or names of them",
		Long: `Remove a name of an image; the image itself is deleted with its last name. A digest,
or the beginning of one, stands for all names of an image.`,
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
			return runImageRemove(cmd.Context(), a, args)
		},
	}
}

// runImageRemove removes what it can: one image that is not there does not keep the
// others.
func runImageRemove(ctx context.Context, a *app, names []string) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
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

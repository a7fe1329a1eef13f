package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/registry"
)

func imageTagCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "tag IMAGE NAME…",
		Short: "Give an image further names",
		Long: `Give an image further names. A name that another image has is taken from it. A
built-in gadget is copied to the local store.`,
		Example: `  gadget image tag mysnoop:v1 mysnoop:latest
  gadget image tag trace_exec registry.example.com/team/exec:v2`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return exactArgs("IMAGE", "NAME")(cmd, args)
			}
			return nil
		},
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runImageTag(cmd.Context(), a, args[0], args[1:])
		},
	}
}

func runImageTag(ctx context.Context, a *app, name string, names []string) error {
	refs, err := parseReferences(names)
	if err != nil {
		return err
	}
	found, err := a.find(ctx, name)
	if err != nil {
		return err
	}
	store, err := a.openStore()
	if err != nil {
		return err
	}
	desc := found.desc
	if found.builtIn {
		image, err := registry.Load(ctx, found.source, found.desc)
		if err != nil {
			return err
		}
		if desc, err = store.Put(ctx, image, refs...); err != nil {
			return err
		}
	} else if err := store.Tag(ctx, desc.Digest, refs...); err != nil {
		return err
	}
	return a.printNames(refs, desc.Digest.String())
}

package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func imagePruneCmd(a *app) *cobra.Command {
	output := oneOf("FORMAT", "columns", "json")
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove the images that have no name",
		Long: `Remove the images that have no name from the local store, and what processes that
were killed have left there. Images with a name stay.`,
		Example: `  gadget image prune`,
		Args:    exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runImagePrune(cmd.Context(), a, output.String())
		},
	}
	addOutput(cmd, &output)
	return cmd
}

// pruneView is what `gadget image prune -o json` prints; bytes were freed.
type pruneView struct {
	Images   []string `json:"images"`
	Blobs    int      `json:"blobs"`
	Bytes    int64    `json:"bytes"`
	Deferred bool     `json:"deferred"`
}

func runImagePrune(ctx context.Context, a *app, format string) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	p, err := store.Prune(ctx)
	if err != nil {
		return err
	}
	v := pruneView{Images: []string{}, Blobs: p.Blobs, Bytes: p.Bytes, Deferred: p.Deferred}
	for _, d := range p.Images {
		v.Images = append(v.Images, d.String())
	}
	if format == "json" {
		return printJSON(a.out, v)
	}
	for _, d := range v.Images {
		if _, err := fmt.Fprintf(a.out, "deleted %s\n", d); err != nil {
			return err
		}
	}
	note := size(uint64(v.Bytes)) + " freed"
	if v.Deferred {
		note = "blobs will be freed by the next removal: the store is busy"
	}
	_, err = fmt.Fprintln(a.out, note)
	return err
}

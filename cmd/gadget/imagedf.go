package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/registry"
)

func imageDfCmd(a *app) *cobra.Command {
	output := oneOf("FORMAT", "columns", "json", "yaml")
	cmd := &cobra.Command{
		Use:   "df",
		Short: "Show how much of the disk the images take",
		Long: `Show how many bytes the local store takes, and how many of them gadget image prune
would free: those of images without a name, and of files that nothing leads to. What
several images share is counted once. -v shows every image, with what it shares.

Built-in gadgets are not counted: they are part of this program.`,
		Example: `  gadget image df
  gadget image df -v
  gadget image df -o json | jq .reclaimable`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runImageDf(cmd.Context(), a, output.String())
		},
	}
	addOutput(cmd, &output)
	return cmd
}

// usageView is what `gadget image df -o json` prints; sizes are in bytes.
type usageView struct {
	Store       string      `json:"store"`
	Size        int64       `json:"size"`
	Reclaimable int64       `json:"reclaimable"`
	Images      []imageSize `json:"images"`
	Named       spaceView   `json:"named"`
	Nameless    spaceView   `json:"nameless"`
	Unused      spaceView   `json:"unused"`
}

// spaceView are blobs that are counted once, in the first part that has them.
type spaceView struct {
	Images int   `json:"images"`
	Blobs  int   `json:"blobs"`
	Size   int64 `json:"size"`
}

type imageSize struct {
	Names  []string `json:"names"`
	Digest string   `json:"digest"`
	Tagged string   `json:"tagged,omitempty"`
	Size   int64    `json:"size"`
	Shared int64    `json:"shared"`
	Unique int64    `json:"unique"`

	tagged time.Time
}

func runImageDf(ctx context.Context, a *app, format string) error {
	store, err := a.openStore()
	if err != nil {
		return err
	}
	u, err := store.Usage(ctx)
	if err != nil {
		return err
	}
	v := viewUsage(store.Dir(), u)
	return a.print(format, v, func(w io.Writer, t view.Terminal) error {
		if err := v.write(w, t); err != nil || a.global.verbose == 0 {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		return v.writeImages(w, t)
	})
}

func viewUsage(dir string, u *registry.Usage) *usageView {
	space := func(s registry.Space) spaceView { return spaceView{Blobs: s.Blobs, Size: s.Bytes} }
	v := &usageView{
		Store: dir, Size: u.Bytes(), Reclaimable: u.Reclaimable(), Images: []imageSize{},
		Named: space(u.Named), Nameless: space(u.Nameless), Unused: space(u.Unused),
	}
	for _, i := range u.Images {
		img := imageSize{Names: []string{}, Digest: i.Digest.String(), Size: i.Bytes, Shared: i.Bytes - i.Own, Unique: i.Own, tagged: i.Tagged}
		if !i.Tagged.IsZero() {
			img.Tagged = i.Tagged.UTC().Format(time.RFC3339)
		}
		for _, n := range i.Names {
			img.Names = append(img.Names, shortName(n))
		}
		if len(i.Names) > 0 {
			v.Named.Images++
		} else {
			v.Nameless.Images++
		}
		v.Images = append(v.Images, img)
	}
	return v
}

func (v *usageView) write(w io.Writer, t view.Terminal) error {
	table := view.Table{Titles: []string{"type", "total", "size", "reclaimable"}, Right: map[int]bool{1: true, 2: true, 3: true}}
	row := func(what string, total int, bytes, reclaimable int64) {
		table.Row(what, strconv.Itoa(total), size(uint64(bytes)), size(uint64(reclaimable)))
	}
	row("images", v.Named.Images, v.Named.Size, 0)
	row("images without a name", v.Nameless.Images, v.Nameless.Size, v.Nameless.Size)
	row("unused files", v.Unused.Blobs, v.Unused.Size, v.Unused.Size)
	row("all", v.Named.Images+v.Nameless.Images, v.Size, v.Reclaimable)
	return table.Write(w, t)
}

func (v *usageView) writeImages(w io.Writer, t view.Terminal) error {
	table := view.Table{Titles: []string{"image", "digest", "tagged", "size", "shared", "unique"}, Right: map[int]bool{3: true, 4: true, 5: true}}
	for _, i := range v.Images {
		tagged := "-"
		if !i.tagged.IsZero() {
			tagged = ago(time.Since(i.tagged))
		}
		table.Row(firstNonEmpty(strings.Join(i.Names, ", "), "<none>"), digest(i.Digest, false), tagged,
			size(uint64(i.Size)), size(uint64(i.Shared)), size(uint64(i.Unique)))
	}
	return table.Write(w, t)
}

package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/registry"
)

type listOptions struct {
	output   choice
	selector []string
	quiet    bool
	noTrunc  bool
	noHeader bool
	format   string
}

func imageListCmd(a *app) *cobra.Command {
	opts := listOptions{output: oneOf("FORMAT", "columns", "json", "yaml")}
	opts.output.template = true
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the images on this machine",
		Long: `List the images in the local store and the gadgets that are built into this program.

--selector keeps the images for which every condition is true: key=value or
key!=value, where * in the value stands for any text. Keys are name, repository, tag,
digest, platform, builtin, signed (the name of the key), and the keys of annotations.

SIGNED is the key that has signed the image, when the policy of the configuration
files names it, and "?" for the keys of others.

A template of -o go-template= is given the list, that of --format each image by itself,
as docker's. Its fields are those of -o json; json, join, split, lower, upper, size and
short (of digests) are there besides Go's own functions.`,
		Example: `  gadget image list
  gadget image ls --selector repository='*snoop',tag!=latest
  gadget image list -o json | jq -r '.[].name'
  gadget image list --format '{{.name}}\t{{size .size}}'
  gadget image list -o go-template='{{len .}} images\n'`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return runImageList(cmd.Context(), a, cmd, opts) },
	}
	addOutput(cmd, &opts.output)
	fs := cmd.Flags()
	fs.StringSliceVar(&opts.selector, "selector", nil, "only images with these `CONDITIONS`: key=value, key!=value")
	fs.StringVar(&opts.format, "format", "", "print each image by a `TEMPLATE` of Go, such as '{{.name}} {{.digest}}'")
	fs.BoolVarP(&opts.quiet, "quiet", "q", false, "print digests only")
	fs.BoolVar(&opts.noTrunc, "no-trunc", false, "print digests in full")
	fs.BoolVar(&opts.noHeader, "no-headers", false, "columns without the line of titles")
	return cmd
}

// imageView is one line of `gadget image list`; size is in bytes.
type imageView struct {
	Name        string            `json:"name"`
	Repository  string            `json:"repository"`
	Tag         string            `json:"tag"`
	Digest      string            `json:"digest"`
	Tagged      string            `json:"tagged,omitempty"`
	BuiltIn     bool              `json:"builtIn"`
	Signed      *signerView       `json:"signed,omitempty"`
	Size        int64             `json:"size"`
	Platforms   []string          `json:"platforms"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Error       string            `json:"error,omitempty"`

	short  string
	tagged time.Time
}

func runImageList(ctx context.Context, a *app, cmd *cobra.Command, opts listOptions) error {
	keep, err := parseSelector(opts.selector)
	if err != nil {
		return usageErrorf(cmd, "--selector: %w", err)
	}
	if opts.format != "" && cmd.Flags().Changed("output") {
		return usageErrorf(cmd, "--format and --output contradict each other")
	}
	each, err := parseTemplate(opts.format)
	if err != nil {
		return usageErrorf(cmd, "--format: %w", err)
	}
	all, err := a.listImages(ctx)
	if err != nil {
		return err
	}
	list := []imageView{}
	for _, v := range all {
		if keep(&v) {
			list = append(list, v)
		}
	}
	if opts.quiet {
		return a.printDigests(list, opts.noTrunc)
	}
	if opts.format != "" {
		return printEach(a.out, each, list)
	}
	return a.print(opts.output.String(), list, func(w io.Writer, t view.Terminal) error {
		return writeImages(w, t, list, opts)
	})
}

// listImages lists the images of the store, then those that are built in.
func (a *app) listImages(ctx context.Context) ([]imageView, error) {
	store, err := a.openStore()
	if err != nil {
		return nil, err
	}
	entries, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	now, err := store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	keys := a.knownKeys()
	var list []imageView
	for _, e := range entries {
		v := viewEntry(e, false)
		if e.Info != nil {
			v.Signed = signers(ctx, now, e.Info.Index, keys)
		}
		list = append(list, v)
	}
	builtIn, err := builtIns()
	if err != nil || builtIn == nil {
		return list, err
	}
	if entries, err = builtIn.List(ctx); err != nil {
		return nil, err
	}
	for _, e := range entries {
		list = append(list, viewEntry(e, true))
	}
	return list, nil
}

func viewEntry(e registry.Entry, builtIn bool) imageView {
	v := imageView{Name: e.Name, Repository: e.Name, Digest: e.Digest.String(), BuiltIn: builtIn, tagged: e.Tagged, short: e.Name, Platforms: []string{}}
	if e.Reference != (registry.Reference{}) {
		v.Repository, v.Tag, v.short = e.Reference.Repository(), e.Reference.Tag, e.Reference.FamiliarRepository()
	}
	if !e.Tagged.IsZero() {
		v.Tagged = e.Tagged.UTC().Format(time.RFC3339)
	}
	if e.Err != nil {
		v.Error = e.Err.Error()
	}
	if e.Info != nil {
		v.Size, v.Annotations = e.Info.Size, e.Info.Annotations
		for _, p := range e.Info.Platforms {
			v.Platforms = append(v.Platforms, p.OS+"/"+p.Arch)
		}
	}
	return v
}

// printEach writes each image by a template, as a line of its own.
func printEach(w io.Writer, t *template.Template, list []imageView) error {
	for i := range list {
		if err := writeTemplate(w, t, list[i]); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printDigests(list []imageView, full bool) error {
	seen := map[string]bool{}
	for _, v := range list {
		if seen[v.Digest] {
			continue
		}
		seen[v.Digest] = true
		if _, err := fmt.Fprintln(a.out, digest(v.Digest, full)); err != nil {
			return err
		}
	}
	return nil
}

// digest cuts a digest to the twelve digits that people use, unless full.
func digest(d string, full bool) string {
	_, hex, ok := strings.Cut(d, ":")
	if full || !ok || len(hex) < 12 {
		return d
	}
	return hex[:12]
}

func writeImages(w io.Writer, t view.Terminal, list []imageView, opts listOptions) error {
	table := view.Table{Titles: []string{"repository", "tag", "digest", "tagged", "size", "signed", "platforms"}, Right: map[int]bool{4: true}}
	if opts.noHeader {
		table.Titles = nil
	}
	for _, v := range list {
		platforms := strings.Join(v.Platforms, ",")
		if v.Error != "" {
			platforms = v.Error
		}
		tagged := ago(time.Since(v.tagged))
		switch {
		case v.BuiltIn:
			tagged = "built in"
		case v.tagged.IsZero():
			tagged = "-"
		}
		table.Row(firstNonEmpty(v.short, "<none>"), firstNonEmpty(v.Tag, "<none>"), digest(v.Digest, opts.noTrunc), tagged, size(uint64(v.Size)), v.signedBy(), platforms)
	}
	return table.Write(w, t)
}

// signedBy is the key that has signed the image, - for none.
func (v *imageView) signedBy() string {
	switch s := v.Signed; {
	case s == nil:
		return "-"
	case s.signatureView != nil:
		return filepath.Base(s.Key)
	case s.Signatures > 0 || s.Error != "":
		return "?"
	}
	return "-"
}

// ago words how long something is past.
func ago(d time.Duration) string {
	units := []struct {
		name string
		size time.Duration
	}{
		{"year", 365 * 24 * time.Hour}, {"month", 30 * 24 * time.Hour}, {"week", 7 * 24 * time.Hour},
		{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second},
	}
	for _, u := range units {
		if n := int(d / u.size); n > 0 {
			plural := "s"
			if n == 1 {
				plural = ""
			}
			return strconv.Itoa(n) + " " + u.name + plural + " ago"
		}
	}
	return "now"
}

// parseSelector turns conditions into a function that says whether to keep an image.
func parseSelector(conditions []string) (func(*imageView) bool, error) {
	type condition struct {
		key   string
		value *regexp.Regexp
		not   bool
	}
	var all []condition
	for _, c := range conditions {
		key, value, ok := strings.Cut(c, "=")
		key, not := strings.CutSuffix(key, "!")
		if !ok || key == "" {
			return nil, fmt.Errorf("%q is neither key=value nor key!=value", c)
		}
		pattern := strings.ReplaceAll(regexp.QuoteMeta(value), `\*`, `.*`)
		all = append(all, condition{strings.TrimSpace(key), regexp.MustCompile(`^(?:` + pattern + `)$`), not})
	}
	return func(v *imageView) bool {
		for _, c := range all {
			matches := false
			for _, value := range v.values(c.key) {
				matches = matches || c.value.MatchString(value)
			}
			if matches == c.not {
				return false
			}
		}
		return true
	}, nil
}

// values are what a condition on key compares; a key that has several is true when
// one of them is.
func (v *imageView) values(key string) []string {
	switch strings.ToLower(key) {
	case "name":
		return []string{v.Name, shortName(v.Name)}
	case "repository":
		return []string{v.Repository, v.short}
	case "tag":
		return []string{v.Tag}
	case "digest":
		return []string{v.Digest, digest(v.Digest, false)}
	case "platform":
		return v.Platforms
	case "signed":
		return []string{v.signedBy()}
	case "builtin":
		return []string{strconv.FormatBool(v.BuiltIn)}
	}
	return []string{v.Annotations[key]}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gadget-bpf/gadget/builder"
	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/process"
	"github.com/gadget-bpf/gadget/schemas"
)

type buildOptions struct {
	source    builder.SourceOptions
	tags      []string
	platforms []string
	strict    bool
	update    bool
	iidFile   string
	outputDir string
	btfgen    bool
	// where clang runs, and what image it may run in.
	where        builderFlag
	builderImage string
	builderPull  choice
	local        bool
	// btfArchive is the directory with types of kernels.
	btfArchive string
}

func imageBuildCmd(a *app) *cobra.Command {
	opts := buildOptions{builderPull: oneOf("WHEN", "missing", "always", "never")}
	cmd := &cobra.Command{
		Use:   "build [DIR]",
		Short: "Build a gadget into an image",
		Long: `Build the gadget in DIR (default: this directory) and keep it in the local store.

A gadget is a C file and a description: program.bpf.c and gadget.yaml, or what
build.yaml or the flags name. Only clang is needed; headers come with gadget. Where
there is none, or one older than version 14, it runs in a container by podman or
docker, without a network: --builder chooses. What clang says is always shown. Metadata is checked against the program, with line
numbers. Nothing is tagged when anything fails.

The same source makes the same digest. SOURCE_DATE_EPOCH sets the image's date.`,
		Example: `  gadget image build -t mysnoop:v1 ./mysnoop
  gadget image build -t mysnoop --prog snoop.bpf.c --definition snoop.yaml
  gadget image build -t mysnoop --platform linux/arm64 --strict .
  gadget image build -t mysnoop --update-metadata .
  gadget image build -t mysnoop --builder podman ./mysnoop
  gadget run $(gadget image build ./mysnoop)`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageErrorf(cmd, "unexpected argument %q: gadget image build takes one DIR", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			for _, p := range opts.platforms {
				if !slices.Contains(builder.Platforms(), p) {
					return usageErrorf(cmd, "--platform: gadgets are built for %s, not for %q", strings.Join(builder.Platforms(), " and "), p)
				}
			}
			if opts.btfgen != (opts.btfArchive != "") {
				return usageErrorf(cmd, "--btfgen and --btfhub-archive belong together").
					hint("gadget image build --btfgen --btfhub-archive DIR, with files DIR/debian/12/x86_64/$(uname -r).btf and the like")
			}
			if err := opts.settleBuilder(cmd); err != nil {
				return err
			}
			return runImageBuild(cmd.Context(), a, dir, &opts)
		},
	}
	fs := cmd.Flags()
	fs.StringArrayVarP(&opts.tags, "tag", "t", nil, "`NAME` for the image; may be repeated")
	fs.StringVarP(&opts.source.BuildFile, "file", "f", "", "build `FILE` (default build.yaml in DIR, if it exists)")
	fs.StringVar(&opts.source.Program, "prog", "", "C `FILE` of the program (default program.bpf.c in DIR)")
	fs.StringVar(&opts.source.Definition, "definition", "", "`FILE` of the description (default gadget.yaml in DIR)")
	fs.StringSliceVar(&opts.platforms, "platform", builder.Platforms(), "`PLATFORMS` to build for")
	fs.BoolVar(&opts.strict, "strict", false, "treat warnings about the description as errors")
	fs.BoolVar(&opts.update, "update-metadata", false, "first add to gadget.yaml what the program has and it has not: data sources, fields, parameters")
	fs.StringVar(&opts.iidFile, "iidfile", "", "write the digest of the image to `FILE`")
	fs.StringVarP(&opts.outputDir, "output", "o", "", "also write the compiled objects to `DIR`, as ARCH.bpf.o")
	fs.BoolVar(&opts.btfgen, "btfgen", false, "pack the types that the programs need of kernels that do not describe themselves; wants --btfhub-archive")
	fs.StringVar(&opts.btfArchive, "btfhub-archive", "", "`DIR` with the types of kernels, ID/VERSION/ARCH/RELEASE.btf or .btf.tar.xz")
	opts.addBuilder(cmd)
	addBuildCompat(fs)
	return cmd
}

// addBuildCompat adds the flags that other builders of this format have.
func addBuildCompat(fs *pflag.FlagSet) {
	add := func(name, short string, v pflag.Value, bare bool) {
		f := fs.VarPF(v, name, short, "")
		f.Hidden = true
		if bare {
			f.NoOptDefVal = "true"
		}
	}
	// Every build checks the description.
	add("validate-metadata", "", ignored{}, true)
}

// runImageBuild builds first and touches the store only with a whole image.
func runImageBuild(ctx context.Context, a *app, dir string, opts *buildOptions) error {
	refs, err := parseReferences(opts.tags)
	if err != nil {
		return err
	}
	if opts.update {
		if err := a.updateMetadata(ctx, dir, opts); err != nil {
			return err
		}
	}
	image, err := a.build(ctx, dir, opts)
	if err != nil {
		return err
	}
	if err := writeObjects(opts.outputDir, image); err != nil {
		return err
	}
	store, err := a.openStore()
	if err != nil {
		return err
	}
	desc, err := store.Put(ctx, image, refs...)
	if err != nil {
		return err
	}
	if opts.iidFile != "" {
		if err := os.WriteFile(opts.iidFile, []byte(desc.Digest.String()), 0o644); err != nil {
			return err
		}
	}
	return a.printNames(refs, desc.Digest.String())
}

// printNames prints what can be run: the names of an image with its digest, or the
// digest alone when it has none.
func (a *app) printNames(refs []registry.Reference, digest string) error {
	if len(refs) == 0 {
		_, err := fmt.Fprintln(a.out, digest)
		return err
	}
	for _, r := range refs {
		if _, err := fmt.Fprintf(a.out, "%s@%s\n", r, digest); err != nil {
			return err
		}
	}
	return nil
}

// build builds the gadget in dir and shows what there is to say about it.
func (a *app) build(ctx context.Context, dir string, opts *buildOptions) (*schemas.Image, error) {
	source, err := builder.ResolveSource(dir, opts.source)
	if err != nil {
		return nil, err
	}
	created, err := a.sourceDate()
	if err != nil {
		return nil, err
	}
	var types builder.KernelTypes
	if opts.btfgen {
		types.Archive = opts.btfArchive
		for _, object := range []func() ([]byte, error){container.Object, process.Object} {
			o, err := object()
			if err != nil {
				return nil, err
			}
			types.Runner = append(types.Runner, o)
		}
	}
	style := a.errTerm()
	o := a.builderOptions()
	o.Platforms, o.Created, o.Strict, o.Types = opts.platforms, created, opts.strict, types
	o.Builder, o.BuilderImage, o.BuilderPull = string(opts.where), opts.builderImage, opts.builderPull.String()
	result, err := builder.Build(ctx, source, o)
	var refused *builder.CheckError
	if errors.As(err, &refused) {
		printProblems(a.err, style, refused.Problems, opts.strict)
		f := &fault{code: exitFailure, err: fmt.Errorf("%s is refused", dir)}
		return nil, f.hint("nothing has been tagged")
	}
	if err != nil {
		return nil, err
	}
	printProblems(a.err, style, result.Problems, false)
	return result.Image, nil
}

// sourceDate is the date that SOURCE_DATE_EPOCH sets, zero when it does not.
func (a *app) sourceDate() (time.Time, error) {
	text, _ := a.env("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return time.Time{}, &fault{code: exitUsage, err: fmt.Errorf("SOURCE_DATE_EPOCH: %q is not a number of seconds since 1970", text)}
	}
	return time.Unix(n, 0).UTC(), nil
}

// writeObjects writes the program of each platform to dir; "" is nowhere.
func writeObjects(dir string, image *schemas.Image) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i := range image.Platforms {
		p := &image.Platforms[i]
		if l := p.Layer(schemas.MediaTypeProgram); l != nil {
			if err := os.WriteFile(filepath.Join(dir, p.Arch+".bpf.o"), l.Data, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// hostPlatform is the platform of this machine.
func hostPlatform() string { return "linux/" + runtime.GOARCH }

// Package builder turns the source directory of a gadget into an image.
//
//	ResolveSource   which files make the gadget: flags, build.yaml, defaults
//	Build           parse metadata → compile for each platform → check → schemas.Image
//	Compile         one C file for one platform, for whoever needs just that
//
// The only tool it needs is clang, on this machine or in a container. The headers that gadgets include are embedded
// in the binary, DWARF is stripped here, and nothing depends on the directory,
// the time or the machine: same source, same clang, same bytes.
package builder

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

// Options of a build. The zero value builds for all platforms, dated 1970.
type Options struct {
	// Platforms to compile for, in the form linux/amd64. Nil stands for [Platforms].
	Platforms []string
	// Created is the date of the image; the zero value is the Unix epoch, so that
	// equal sources make equal images. Commands take it from SOURCE_DATE_EPOCH.
	Created time.Time
	// Version of the builder that the image names; "" stands for v0.0.0.
	Version string
	// Strict refuses what is otherwise a warning.
	Strict bool
	// Color makes clang's diagnostics colourful.
	Color bool
	// Stderr receives clang's diagnostics, warnings too, while Build runs. Nil
	// drops warnings and puts what refused the source into the error.
	Stderr io.Writer
	// Types are those of kernels to be packed; the zero value packs none.
	Types KernelTypes
	// Clang is the compiler to use; "" stands for what Builder finds.
	Clang string
	// Builder says where clang runs: Auto, Host, Podman, Docker, or image=REF for an
	// image with a clang of its own; "" is Auto. BuilderImage is such an image for
	// Podman and Docker; "" stands for [DefaultBuilderImage].
	Builder, BuilderImage string
	// BuilderPull says when the image is pulled: missing, always or never; "" is
	// missing. Offline forbids it.
	BuilderPull string
	Offline     bool
	// Notice is called before what takes long, such as pulling an image; nil is silent.
	Notice func(string)
	// CacheDir is where the headers are unpacked for clang, once for all builds;
	// "" stands for the user's cache directory.
	CacheDir string
}

// Platforms are those that a gadget is built for when nobody says otherwise.
func Platforms() []string { return []string{"linux/amd64", "linux/arm64"} }

// Result of a build.
type Result struct {
	Image *schemas.Image
	// Problems that did not refuse the gadget: all are warnings.
	Problems []schemas.Problem
}

// CheckError is a refusal with places: everything that is wrong, errors and
// warnings, in the order of the files.
type CheckError struct {
	Problems []schemas.Problem
}

// Error returns a line for each problem.
func (e *CheckError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Build makes the image of a gadget. It writes nothing but clang's diagnostics
// and the header cache. The error is a *CheckError for what is wrong in the
// metadata and a *CompileError for what clang refuses.
func Build(ctx context.Context, src Source, o Options) (*Result, error) {
	platforms, err := parsePlatforms(o.Platforms)
	if err != nil {
		return nil, err
	}
	text, md, problems, err := src.metadata()
	if err != nil {
		return nil, err
	}
	wasm, err := src.wasm()
	if err != nil {
		return nil, err
	}
	// Before clang runs: it takes longer, and may not be there at all.
	if err := refuse(problems, o.Strict); err != nil {
		return nil, err
	}
	objects, headers, err := compileAll(ctx, src.Program, platforms, o)
	if err != nil {
		return nil, err
	}
	found, err := checkObjects(objects, platforms, md, wasm != nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.Program, err)
	}
	problems = append(problems, found...)
	if err := refuse(problems, o.Strict); err != nil {
		return nil, err
	}

	img := &schemas.Image{Metadata: text, Annotations: annotations(md, headers, o)}
	for i, p := range platforms {
		all := layers(objects, i, wasm)
		if o.Types.Archive != "" && objects != nil {
			types, err := o.Types.layer(p.arch, objects[i])
			if err != nil {
				return nil, err
			}
			all = append(all, schemas.Layer{MediaType: schemas.MediaTypeBTFGen, Data: types})
		}
		img.Platforms = append(img.Platforms, schemas.Platform{OS: p.os, Arch: p.arch, Layers: all})
	}
	return &Result{Image: img, Problems: problems}, nil
}

// refuse returns the problems as an error when one of them refuses the gadget.
func refuse(problems []schemas.Problem, strict bool) error {
	for _, p := range problems {
		if p.Severity == schemas.Error || strict {
			return &CheckError{Problems: problems}
		}
	}
	return nil
}

// layers of platform i, in the order of the format.
func layers(objects [][]byte, i int, wasm []byte) []schemas.Layer {
	var out []schemas.Layer
	if objects != nil {
		out = append(out, schemas.Layer{MediaType: schemas.MediaTypeProgram, Data: objects[i]})
	}
	if wasm != nil {
		out = append(out, schemas.Layer{MediaType: schemas.MediaTypeWASM, Data: wasm})
	}
	return out
}

// compileAll compiles program for all platforms at once. It returns nil objects
// for a gadget without a program, and the digest of the headers otherwise.
func compileAll(ctx context.Context, program string, platforms []platform, o Options) (objects [][]byte, headers string, err error) {
	if program == "" {
		return nil, "", nil
	}
	c, err := newCompiler(ctx, o)
	if err != nil {
		return nil, "", err
	}
	defer c.close()

	objects = make([][]byte, len(platforms))
	diagnostics := make([][]byte, len(platforms))
	errs := make([]error, len(platforms))
	var wg sync.WaitGroup
	for i, p := range platforms {
		wg.Go(func() { objects[i], diagnostics[i], errs[i] = c.compile(ctx, program, p) })
	}
	wg.Wait()
	showDiagnostics(o.Stderr, diagnostics)
	for _, err := range errs {
		if err != nil {
			return nil, "", err // the others mostly say the same
		}
	}
	return objects, c.headers.digest, nil
}

// showDiagnostics writes what clang said, and once what it said for several platforms.
func showDiagnostics(w io.Writer, diagnostics [][]byte) {
	if w == nil {
		return
	}
	for i, d := range diagnostics {
		same := func(other []byte) bool { return bytes.Equal(other, d) }
		if !slices.ContainsFunc(diagnostics[:i], same) {
			// Nobody is left to tell when standard error is gone.
			_, _ = w.Write(d)
		}
	}
}

// checkObjects plans every object and checks the metadata against the plans.
func checkObjects(objects [][]byte, platforms []platform, md *schemas.Metadata, wasm bool) ([]schemas.Problem, error) {
	if objects == nil {
		p, err := plan.New(nil, md)
		if err != nil {
			return nil, err
		}
		return check(p, md, wasm), nil
	}
	plans := make([]*plan.Plan, len(objects))
	for i, object := range objects {
		var err error
		if plans[i], err = plan.New(object, md); err != nil {
			return nil, fmt.Errorf("%s: %w", platforms[i], err)
		}
	}
	for i := range plans[1:] {
		if err := agree(plans[0], plans[i+1]); err != nil {
			return nil, fmt.Errorf("%s and %s differ: %w", platforms[0], platforms[i+1], err)
		}
	}
	return check(plans[0], md, wasm), nil
}

// platform is a machine that programs are compiled for.
type platform struct {
	os, arch string
	// define is clang's name of the architecture, for libbpf's __TARGET_ARCH_.
	define string
}

func (p platform) String() string { return p.os + "/" + p.arch }

// parsePlatforms parses names such as linux/amd64, sorted and without repetitions.
func parsePlatforms(names []string) ([]platform, error) {
	if len(names) == 0 {
		names = Platforms()
	}
	var out []platform
	for _, name := range names {
		p := platform{os: "linux"}
		switch name {
		case "linux/amd64", "amd64":
			p.arch, p.define = "amd64", "x86"
		case "linux/arm64", "arm64":
			p.arch, p.define = "arm64", "arm64"
		default:
			return nil, fmt.Errorf("unknown platform %q: gadgets are built for %s", name, strings.Join(Platforms(), " and "))
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b platform) int { return strings.Compare(a.arch, b.arch) })
	return out, nil
}

// Compile compiles one C file for one platform and returns the object without
// DWARF, ready to load. Options.Platforms, Created, Version and Strict mean nothing here.
func Compile(ctx context.Context, program, platformName string, o Options) ([]byte, error) {
	platforms, err := parsePlatforms([]string{platformName})
	if err != nil {
		return nil, err
	}
	if err := checkPath(program); err != nil {
		return nil, err
	}
	if _, err := os.Stat(program); err != nil {
		return nil, fmt.Errorf("read program: %w", err)
	}
	objects, _, err := compileAll(ctx, program, platforms, o)
	if err != nil {
		return nil, err
	}
	return objects[0], nil
}

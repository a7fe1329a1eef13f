package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

// gadget is an image that is ready to run on this machine.
type gadget struct {
	// name as the user wrote it.
	name string
	// object and metadata are what the plan is made of; a gadget without programs
	// has no object.
	object   []byte
	metadata *schemas.Metadata
	plan     *plan.Plan
	flags    gadgetFlags
	// mayChange is true for gadgets that may change the system: those that are built
	// in, which are trusted as this program is, and those that the user allows to.
	mayChange bool
	// btfgen is the image's layer with types of kernels, nil when it has none.
	btfgen []byte
}

// openGadget finds the gadget that name stands for and plans its run. A name that
// is a directory is built.
func (a *app) openGadget(ctx context.Context, name string) (*gadget, error) {
	var image *schemas.Image
	var err error
	found := &foundImage{}
	if isSource(name) {
		if a.trust != nil {
			if err := a.checkAllowed(name, nil, found, a.trust); err != nil {
				return nil, err
			}
		}
		image, err = a.build(ctx, name, &buildOptions{platforms: []string{hostPlatform()}})
	} else {
		image, found, err = a.runnable(ctx, name)
	}
	if err != nil {
		return nil, err
	}
	g, err := a.planFor(name, image, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	g.mayChange = found.builtIn
	return g, nil
}

// sourceNames are the names of the gadget's data sources.
func (g *gadget) sourceNames() []string {
	names := make([]string, len(g.plan.Sources))
	for i, s := range g.plan.Sources {
		names[i] = s.Name
	}
	return names
}

// isSource reports whether name means a directory with a gadget's source: it looks
// like a path, or there is one of that name. A gadget may have no program.
func isSource(name string) bool {
	if name == "." || name == ".." || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") || filepath.IsAbs(name) {
		return true
	}
	for _, file := range []string{schemas.DefaultSourceFile, schemas.DefaultMetadataFile} {
		if _, err := os.Stat(filepath.Join(name, file)); err == nil {
			return true
		}
	}
	return false
}

// planFor plans the run of an image on one kind of machine. What is odd about the
// metadata is only said with -v: an image that exists is never refused for it.
func (a *app) planFor(name string, image *schemas.Image, arch string) (*gadget, error) {
	platform := image.Platform(arch)
	if platform == nil {
		var have []string
		for _, p := range image.Platforms {
			have = append(have, p.OS+"/"+p.Arch)
		}
		f := &fault{code: exitHost, err: fmt.Errorf("%s has no program for linux/%s", name, arch)}
		return nil, f.hint("it has: %s", strings.Join(have, ", "))
	}
	g := &gadget{name: name, metadata: &schemas.Metadata{}}
	if image.Metadata != nil {
		var problems []schemas.Problem
		var err error
		if g.metadata, problems, err = schemas.ParseMetadata(name+": gadget.yaml", image.Metadata); err != nil {
			return nil, err
		}
		a.note(problems)
	}
	if l := platform.Layer(schemas.MediaTypeProgram); l != nil {
		g.object = l.Data
	}
	if l := platform.Layer(schemas.MediaTypeBTFGen); l != nil {
		g.btfgen = l.Data
	}
	if err := a.replan(g); err != nil {
		return nil, err
	}
	a.note(g.plan.Problems)
	return g, nil
}

// replan plans the run by what the gadget's metadata says now, and --annotate.
func (a *app) replan(g *gadget) error {
	if err := a.run.annotate.apply(g.metadata); err != nil {
		return err
	}
	var err error
	if g.plan, err = plan.New(g.object, g.metadata); err != nil {
		return fmt.Errorf("%s: %w", g.name, err)
	}
	if a.instance != "" {
		g.plan.Label(instanceField, a.instance, "Name of the run, of several that share their output")
	}
	return a.run.annotate.check(g)
}

func (a *app) note(problems []schemas.Problem) {
	for _, p := range problems {
		a.log.Info(p.String())
	}
}

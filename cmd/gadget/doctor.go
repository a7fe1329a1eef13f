package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/builder"
	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/runner/doctor"
)

func doctorCmd(a *app) *cobra.Command {
	output := oneOf("FORMAT", "text", "json", "yaml")
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Show what this host offers gadgets, and how to get what it lacks",
		GroupID: groupTool,
		Args:    exactArgs(),
		Long: `Try what gadgets need on this host: load and attach a program of each kind and take
it away at once, make a map of each type, look at permissions, file systems and
container runtimes. Each lack comes with a remedy, and with the built-in gadgets that
do not run because of it.

It works without root, and then says what it could not try. The exit code is 1 when
no gadget with an eBPF program runs here, else 0.`,
		Example: `  sudo gadget doctor
  sudo gadget doctor -o json | jq -r '.checks[] | select(.state == "missing") | .name'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd.Context(), a, output.String()) },
	}
	addOutput(cmd, &output)
	return cmd
}

func runDoctor(ctx context.Context, a *app, format string) error {
	var tools []doctor.Check
	var group sync.WaitGroup
	group.Go(func() { tools = []doctor.Check{a.clangCheck(ctx), a.storeCheck(), builtInCheck()} })
	report := doctor.Examine(ctx, doctor.Options{})
	group.Wait()
	report.Checks = append(report.Checks, tools...)
	if err := a.tryBuiltIns(ctx, report); err != nil {
		return err
	}
	err := a.print(format, report, func(w io.Writer, t view.Terminal) error { return writeReport(w, t, report) })
	if err != nil || report.Runs {
		return err
	}
	return &fault{code: exitFailure, err: errors.New("no gadget runs here"), silent: true}
}

// tryBuiltIns loads and attaches those built-in gadgets that have a program for a
// hook that is missing: they may have another one instead.
func (a *app) tryBuiltIns(ctx context.Context, report *doctor.Report) error {
	builtIn, err := builtIns()
	if err != nil || builtIn == nil || !report.Runs {
		return err
	}
	entries, err := builtIn.Names()
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for _, e := range entries {
		name := shortName(e.Name)
		desc, err := builtIn.Resolve(ctx, e.Name)
		if err != nil {
			return err
		}
		image, err := registry.Load(ctx, builtIn, desc, runtime.GOARCH)
		if err != nil {
			return err
		}
		g, err := a.planFor(name, image, runtime.GOARCH)
		if err != nil {
			return err
		}
		var lacking []string
		for i := range g.plan.Programs {
			if kind := g.plan.Programs[i].Kind; report.Lacks(kind) {
				lacking = append(lacking, kind)
			}
		}
		if len(lacking) == 0 {
			continue
		}
		group.Go(func() error {
			if _, err := runner.Try(g.plan, runner.Options{Log: a.log}); err == nil {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			for _, kind := range lacking {
				report.Block(kind, name)
			}
			return nil
		})
	}
	err = group.Wait()
	for i := range report.Checks {
		slices.Sort(report.Checks[i].Blocks)
	}
	return err
}

// Sections of what is not the kernel's business.
const (
	sectionBuilding = "building"
	sectionImages   = "images"
)

// clangCheck looks for the compiler, which only building needs.
func (a *app) clangCheck(ctx context.Context) doctor.Check {
	c := doctor.Check{Section: sectionBuilding, Name: "clang", State: doctor.OK}
	path, _ := a.env("PATH")
	clang, err := builder.FindClang(ctx, path)
	if err != nil {
		c.State, c.Remedy = doctor.Missing, builder.ClangRemedy
		c.Detail = strings.TrimSuffix(err.Error(), "; "+builder.ClangRemedy)
		return c
	}
	c.Detail = fmt.Sprintf("version %d at %s; %d or later is needed", clang.Version, clang.Path, builder.MinClang)
	return c
}

// storeCheck looks at the local image store.
func (a *app) storeCheck() doctor.Check {
	c := doctor.Check{Section: sectionImages, Name: "store", State: doctor.OK}
	dir, err := a.storeDir()
	if err != nil {
		c.State, c.Detail, c.Remedy = doctor.Missing, err.Error(), "set GADGET_STORE, or give --store DIR"
		return c
	}
	store, err := registry.OpenStore(dir, registry.StoreOptions{Log: a.log})
	if err != nil {
		c.State, c.Detail, c.Remedy = doctor.Missing, err.Error(), "set GADGET_STORE, or give --store DIR"
		return c
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		c.Detail = dir + " comes into being with the first image"
		return c
	}
	names, err := store.Names()
	if err != nil {
		c.State, c.Detail, c.Remedy = doctor.Limited, err.Error(), "gadget image list says what is wrong with which image"
		return c
	}
	c.Detail = fmt.Sprintf("%s, %d images, %s", dir, len(names), size(diskUse(dir)))
	if err := unix.Access(dir, unix.W_OK); err != nil {
		c.State = doctor.Limited
		c.Detail += fmt.Sprintf("; images cannot be added: %v", err)
		c.Remedy = "use another store: GADGET_STORE, or --store DIR"
	}
	return c
}

// diskUse is the size of all files below a directory, in bytes, as far as they can
// be read.
func diskUse(dir string) (bytes uint64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				bytes += uint64(info.Size())
			}
		}
		return nil
	})
	return bytes
}

// builtInCheck counts the gadgets in this binary.
func builtInCheck() doctor.Check {
	c := doctor.Check{Section: sectionImages, Name: "built-in gadgets", State: doctor.OK}
	builtIn, err := builtIns()
	var names []registry.Entry
	if err == nil && builtIn != nil {
		names, err = builtIn.Names()
	}
	switch {
	case err != nil:
		c.State, c.Detail = doctor.Missing, err.Error()
	case builtIn == nil:
		c.State, c.Detail, c.Remedy = doctor.Limited, "this binary has none", "make build gives one that has"
	default:
		c.Detail = fmt.Sprint(len(names))
	}
	return c
}

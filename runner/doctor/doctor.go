// Package doctor finds out what this host offers gadgets, by trying: programs that
// do nothing are loaded, attached and taken away again, maps are made, sockets are
// asked. It never looks at the version of the kernel, and it changes nothing that a
// run would not.
package doctor

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"github.com/gadget-bpf/gadget/runner/container/engine"
	"github.com/gadget-bpf/gadget/runner/host"
)

// State is what became of a check.
type State string

// The states.
const (
	OK State = "ok"
	// Limited is there, and does less than it could, or has a stand-in.
	Limited State = "limited"
	Missing State = "missing"
	// Unknown could not be tried.
	Unknown State = "unknown"
)

// Check is one thing that gadgets may need.
type Check struct {
	Section string `json:"section"`
	Name    string `json:"name"`
	State   State  `json:"state"`
	// Vital is true when no gadget with a program runs without it.
	Vital bool `json:"vital,omitempty"`
	// Detail says what was found, or what went wrong.
	Detail string `json:"detail,omitempty"`
	// Remedy says what to do about it.
	Remedy string `json:"remedy,omitempty"`
	// Blocks are gadgets that do not run for want of it.
	Blocks []string `json:"blocks,omitempty"`
}

// Report is what was found, in a fixed order.
type Report struct {
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"`
	// Runs is true when nothing vital is missing and some hook works.
	Runs   bool    `json:"runs"`
	Checks []Check `json:"checks"`
}

// Options say where to look. The zero value looks at the usual places.
type Options struct {
	// Engines says where container engines are.
	Engines engine.Options
}

// The sections, in their order.
const (
	Permissions = "permissions"
	Kernel      = "kernel"
	Hooks       = "hooks"
	Maps        = "maps"
	Files       = "file systems"
	Containers  = "containers"
)

// Examine tries everything. It takes well below a second on an idle machine, for
// the waits of the kernel overlap.
func Examine(ctx context.Context, o Options) *Report {
	r := &Report{Kernel: host.Release(), Arch: runtime.GOARCH}
	caps, err := host.OwnCapabilities()
	may := err == nil && mayLoad(caps)
	config, _ := host.ReadConfig() // without one remedies are less precise
	mounts, mountsErr := host.Mounts()

	sections := []struct {
		name    string
		examine func() []Check
	}{
		{Permissions, func() []Check { return permissions(caps, err) }},
		{Kernel, kernelChecks},
		{Hooks, func() []Check { return hooks(may, config, mounts) }},
		{Maps, func() []Check { return maps(may) }},
		{Files, func() []Check { return fileSystems(mounts, mountsErr) }},
		{Containers, func() []Check { return containers(ctx, may, o.Engines) }},
	}
	found := make([][]Check, len(sections))
	var group sync.WaitGroup
	for i, s := range sections {
		group.Go(func() {
			found[i] = s.examine()
			for j := range found[i] {
				found[i][j].Section = s.name
			}
		})
	}
	group.Wait()
	r.Checks = slices.Concat(found...)
	r.Runs = runs(r.Checks)
	return r
}

// runs says whether these checks leave something that a gadget could run with.
func runs(checks []Check) bool {
	hooked := false
	for i := range checks {
		c := &checks[i]
		if c.Vital && c.State != OK && c.State != Limited {
			return false
		}
		hooked = hooked || c.Section == Hooks && c.State == OK
	}
	return hooked
}

// Lacks reports whether programs of a kind ([plan.Program]) have no hook here.
func (r *Report) Lacks(kind string) bool {
	i := r.hook(kind)
	return i >= 0 && r.Checks[i].State == Missing
}

// Block notes that a gadget does not run because programs of a kind have no hook.
func (r *Report) Block(kind, gadget string) {
	if i := r.hook(kind); i >= 0 && !slices.Contains(r.Checks[i].Blocks, gadget) {
		r.Checks[i].Blocks = append(r.Checks[i].Blocks, gadget)
	}
}

// hook is the index of the check that stands for a kind of programs, -1 for none.
func (r *Report) hook(kind string) int {
	name := familyOf(kind)
	return slices.IndexFunc(r.Checks, func(c Check) bool { return c.Section == Hooks && c.Name == name })
}

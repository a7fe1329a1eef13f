package runner

import (
	"context"
	"errors"
	"strings"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/uprobe"
)

// follow attaches the chosen programs of user space wherever containers have what
// they are for, until the links are closed.
func (r *run) follow(ctx context.Context) error {
	o := uprobe.Options{
		Maps:    r.loaded.coll.Maps,
		Changed: r.changed,
		Last:    true,
		Host:    r.opts.Host || r.choosing(),
		Loading: r.kernel.loading(),
		Notice:  r.notice,
		Log:     r.log,
	}
	for i := range r.plan.Programs {
		prog := &r.plan.Programs[i]
		switch {
		case !r.choice.uses(prog.Name):
		case !plan.IsUser(prog.Kind):
			o.Last = false
		case idle(r.plan.Spec.Programs[prog.Name], r.loaded.coll.Programs[prog.Name]):
			r.choice.idle[prog.Name] = true
		default:
			o.Programs = append(o.Programs, uprobe.Program{Plan: prog, Loaded: r.loaded.coll.Programs[prog.Name]})
		}
	}
	// A trial knows no containers to follow.
	if len(o.Programs) == 0 || r.watcher == nil {
		return nil
	}
	o.Namespaces = r.watcher.Table()
	f, err := uprobe.Start(ctx, o)
	var nowhere *uprobe.NowhereError
	if errors.As(err, &nowhere) {
		err = &HostError{Need: strings.Join(nowhere.Targets, ", "),
			Hint: "check the path and the name of the function; without --host the gadget waits for a container that has it"}
	}
	if err != nil {
		return attachError(o.Programs[0].Plan, err)
	}
	r.links = append(r.links, f)
	return nil
}

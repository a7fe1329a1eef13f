package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// choice is which programs of a gadget are used on this kernel. Programs that
// gadget.yaml calls optional may be missing, those whose condition is false are;
// of a list of alternatives the first that loads and attaches is used.
type choice struct {
	plan *plan.Plan
	// left are the alternatives of each group that are left, the one in use first.
	left [][]string
	// dropped programs, with what was wrong with them.
	dropped map[string]error
	// idle programs are in use, and not attached: their parameters switch them off.
	idle map[string]bool
	log  *slog.Logger
}

func newChoice(p *plan.Plan, log *slog.Logger) *choice {
	c := &choice{plan: p, dropped: map[string]error{}, idle: map[string]bool{}, log: log}
	for i := range p.Groups {
		c.left = append(c.left, slices.Clone(p.Groups[i].Programs))
	}
	return c
}

// suit drops what cannot be used on this kernel whatever happens. The error says
// that the gadget cannot do without.
func (c *choice) suit(k plan.Kernel) error {
	p := c.plan
	for i := range p.Programs {
		prog := &p.Programs[i]
		if err := c.forgetUnless(prog.When, k, prog.Name); err != nil {
			return err
		}
	}
	for i := range p.Groups {
		group := &p.Groups[i]
		// What has no member on this kernel is missed, what is not wanted is not.
		if len(c.left[i]) == 0 && !group.Optional && len(group.Programs) > 0 {
			return c.reasons(group.Programs)
		}
		if err := c.forgetUnless(group.When, k, group.Programs...); err != nil {
			return err
		}
	}
	for i := range p.Programs {
		prog := &p.Programs[i]
		if prog.Disabled || c.dropped[prog.Name] != nil {
			continue
		}
		if err := supported(prog); err != nil {
			if err = c.drop(prog.Name, err); err != nil {
				return err
			}
		}
	}
	return c.empty()
}

// forgetUnless takes programs out when a condition is false.
func (c *choice) forgetUnless(when *plan.Condition, k plan.Kernel, names ...string) error {
	if when == nil {
		return nil
	}
	ok, why, err := when.Holds(k)
	if err != nil {
		return fmt.Errorf("when of %s: %w", strings.Join(names, ", "), err)
	}
	for _, name := range names {
		if !ok {
			c.forget(name, &UnmetError{When: when.Source, Why: why})
		}
	}
	return nil
}

// UnmetError says that what gadget.yaml asks of the kernel is not so.
type UnmetError struct {
	// When is the condition, Why the facts against it, which may be none.
	When, Why string
}

func (e *UnmetError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("when %s is false: %s", e.When, e.Why), ": ")
}

// uses reports whether a program is to be loaded.
func (c *choice) uses(name string) bool {
	if c.dropped[name] != nil || c.plan.Program(name).Disabled {
		return false
	}
	for _, left := range c.left {
		if slices.Index(left, name) > 0 {
			return false
		}
	}
	return true
}

// forget takes a program out because of why.
func (c *choice) forget(name string, why error) {
	c.dropped[name] = why
	for i := range c.left {
		c.left[i] = slices.DeleteFunc(c.left[i], func(s string) bool { return s == name })
	}
}

// drop gives a program up because of err, for another or for nothing. It returns
// err when the gadget cannot do without the program.
func (c *choice) drop(name string, err error) error {
	prog := c.plan.Program(name)
	if prog == nil || c.dropped[name] != nil {
		return err
	}
	c.forget(name, err)
	spared := prog.Optional
	for i, group := range c.plan.Groups {
		if !slices.Contains(group.Programs, name) {
			continue
		}
		if len(c.left[i]) == 0 && !group.Optional {
			return c.reasons(group.Programs)
		}
		spared = true
	}
	if !spared {
		return err
	}
	c.log.Debug("program cannot be used", "program", name, "error", err)
	return c.empty()
}

// empty is an error when no program is left of those that there are.
func (c *choice) empty() error {
	if len(c.dropped) == 0 || slices.ContainsFunc(c.plan.Programs, func(p plan.Program) bool { return c.uses(p.Name) }) {
		return nil
	}
	var names []string
	for i := range c.plan.Programs {
		names = append(names, c.plan.Programs[i].Name)
	}
	return c.reasons(names)
}

// reasons is why none of these programs can be used.
func (c *choice) reasons(names []string) error {
	var errs []error
	for _, n := range names {
		err := c.dropped[n]
		// An error of a program names it, a condition does not.
		if blame(err) == "" && err != nil {
			err = fmt.Errorf("program %s: %w", n, err)
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("none of the programs can be used on this kernel:\n%w", errors.Join(errs...))
}

// Use says what became of a program on this kernel.
type Use struct {
	Program, Section, Hook string
	// Group is the list of alternatives that it stands in, "" for none.
	Group string
	// Used programs are attached. Why not, or on what grounds, "" where nothing
	// was to be decided.
	Used bool
	Why  string
}

// report is what became of all programs, in the order of the plan.
func (c *choice) report() []Use {
	var all []Use
	for i := range c.plan.Programs {
		prog := &c.plan.Programs[i]
		u := Use{Program: prog.Name, Section: prog.Section, Hook: prog.Hook, Used: c.uses(prog.Name)}
		if prog.When != nil {
			u.Why = "when " + prog.When.Source
		}
		for g, group := range c.plan.Groups {
			if !slices.Contains(group.Programs, prog.Name) {
				continue
			}
			u.Group = group.Name
			if left := c.left[g]; !u.Used && len(left) > 0 {
				u.Why = left[0] + " is used"
			}
		}
		switch err := c.dropped[prog.Name]; {
		case err != nil:
			u.Why = reason(prog.Name, err)
		case prog.Disabled:
			u.Why = "gadget.yaml or its section disables it"
		case c.idle[prog.Name]:
			u.Used, u.Why = false, "it does nothing with these parameters"
		}
		all = append(all, u)
	}
	return all
}

// reason is what is wrong with a program, without its name: the first line of the
// error, as a verifier's goes on with its source.
func reason(name string, err error) string {
	var attach *AttachError
	var load *LoadError
	switch {
	case errors.As(err, &attach) && !errors.Is(err, fs.ErrNotExist):
		err = attach.Err
	case errors.As(err, &load):
		err = load.Err
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimPrefix(line, "program "+name+": ")
}

// tell says, a line for each, what was decided: which of the alternatives is used,
// which programs are not.
func (c *choice) tell() {
	for g, group := range c.plan.Groups {
		line := "none is used"
		if len(c.left[g]) > 0 {
			line = c.left[g][0] + " is used"
		}
		for _, name := range group.Programs {
			if err := c.dropped[name]; err != nil {
				line += "; not " + name + ": " + reason(name, err)
			}
		}
		c.log.Info(group.Name + ": " + line)
	}
	for _, u := range c.report() {
		switch {
		case u.Group != "" || u.Why == "":
		case u.Used:
			c.log.Info(u.Program + " is used: " + u.Why)
		default:
			c.log.Info(u.Program + " is not used: " + u.Why)
		}
	}
}

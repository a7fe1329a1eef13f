package runner

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// choice is which programs of a gadget are used on this kernel. Programs that
// gadget.yaml calls optional may be missing; of a list of alternatives the first
// that loads and attaches is used.
type choice struct {
	plan *plan.Plan
	// groups are the alternatives that are left, the one in use first.
	groups map[string][]string
	// optional programs and groups.
	optional map[string]bool
	// dropped programs, with what was wrong with them.
	dropped map[string]error
	log     *slog.Logger
}

func newChoice(p *plan.Plan, log *slog.Logger) (*choice, error) {
	c := &choice{plan: p, groups: map[string][]string{}, optional: map[string]bool{}, dropped: map[string]error{}, log: log}
	for name, conf := range p.Metadata.Programs {
		c.optional[name] = conf.Optional
		for _, a := range conf.Alternatives {
			if p.Program(a) == nil {
				return nil, fmt.Errorf("gadget.yaml: programs.%s.alternatives: no program %q in the object", name, a)
			}
		}
		if len(conf.Alternatives) > 0 {
			c.groups[name] = slices.Clone(conf.Alternatives)
		}
	}
	return c, nil
}

// uses reports whether a program is to be loaded.
func (c *choice) uses(name string) bool {
	if c.dropped[name] != nil {
		return false
	}
	for _, left := range c.groups {
		if slices.Index(left, name) > 0 {
			return false
		}
	}
	return true
}

// drop gives a program up because of err, for another or for nothing. It returns
// err when the gadget cannot do without the program.
func (c *choice) drop(name string, err error) error {
	if c.plan.Program(name) == nil || c.dropped[name] != nil {
		return err
	}
	for group, left := range c.groups {
		if !slices.Contains(left, name) {
			continue
		}
		c.dropped[name] = err
		c.groups[group] = slices.DeleteFunc(left, func(s string) bool { return s == name })
		if len(c.groups[group]) > 0 {
			c.log.Info("program cannot be used, trying an alternative", "program", name, "next", c.groups[group][0], "error", err)
			return nil
		}
		if !c.optional[group] {
			return c.reasons(c.plan.Metadata.Programs[group].Alternatives)
		}
	}
	if c.dropped[name] == nil && !c.optional[strings.ToLower(name)] {
		return err
	}
	c.dropped[name] = err
	if !slices.ContainsFunc(c.plan.Programs, func(p plan.Program) bool { return c.uses(p.Name) }) {
		return c.reasons(slices.Sorted(maps.Keys(c.dropped)))
	}
	c.log.Info("optional program cannot be used", "program", name, "error", err)
	return nil
}

// reasons is why none of these programs can be used.
func (c *choice) reasons(names []string) error {
	var errs []error
	for _, n := range names {
		errs = append(errs, c.dropped[n])
	}
	return fmt.Errorf("none of the programs can be used on this kernel:\n%w", errors.Join(errs...))
}

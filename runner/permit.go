package runner

import (
	"fmt"
	"strings"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// permit gives up the programs that could change the system, unless that is
// allowed. It looks at the instructions alone, so that nothing is asked of the
// kernel for a gadget that is refused. A *ChangeError says that the gadget cannot do
// without them.
func (c *choice) permit(o *Options) error {
	notice := func(text string) {
		if o.Notice != nil {
			o.Notice(text)
		}
	}
	var asking []*plan.Program
	for i := range c.plan.Programs {
		prog := &c.plan.Programs[i]
		if prog.Disabled || !attachable(prog) {
			continue
		}
		for _, power := range prog.Powers {
			if power.Usual {
				notice(fmt.Sprintf("program %s (SEC %q) %s", prog.Name, prog.Section, power))
			}
		}
		if len(prog.Changes()) > 0 && !o.AllowChange {
			asking = append(asking, prog)
		}
	}
	for _, prog := range asking {
		if err := c.drop(prog.Name, &ChangeError{[]*plan.Program{prog}}); err != nil {
			return &ChangeError{asking}
		}
	}
	for _, prog := range asking {
		notice(fmt.Sprintf("going without a program that is not allowed to change the system: %v", c.dropped[prog.Name]))
	}
	return nil
}

// ChangeError says that programs could change the system and that nobody has
// allowed it ([Options.AllowChange]).
type ChangeError struct {
	Programs []*plan.Program
}

// Error is a line for each program and each thing that it could do.
func (e *ChangeError) Error() string {
	var lines []string
	for _, prog := range e.Programs {
		for _, power := range prog.Changes() {
			lines = append(lines, fmt.Sprintf("program %s (SEC %q) %s", prog.Name, prog.Section, power))
		}
	}
	return strings.Join(lines, "\n")
}

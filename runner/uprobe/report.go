package uprobe

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/schemas"
)

// describe names what a program is attached to, in messages.
func (p *probe) describe() string { return p.target.kind + " " + p.target.String() }

// maxNames is how many names of a file are compared with one that it lacks.
const maxNames = 20000

// absent says that a file lacks a function or probe, and which one may be meant.
func absent(p *probe, c *candidate) error {
	t := &p.target
	what := "function"
	if t.usdt() {
		what = "probe"
	}
	elf, err := c.executable()
	if err != nil {
		return err
	}
	var names []string
	wanted := t.Name
	switch {
	case t.pattern != nil:
		return fmt.Errorf("no %s there matches", what)
	case t.usdt():
		wanted = t.Provider + ":" + t.Name
		names = elf.ProbeNames(maxNames)
	default:
		_, _ = elf.Matching(func(name string) bool { // It is not for what is found.
			names = append(names, name)
			return len(names) >= maxNames
		}, 1)
	}
	text := "it has no such " + what
	if hint := schemas.DidYouMean(wanted, names); hint != "" {
		text += "; " + hint
	}
	return errors.New(text)
}

// warn tells people what is wrong with a target, once for each path.
func (f *Follower) warn(p *probe, u *unit, path string, err error) {
	key := warned{p, path, err.Error()}
	f.mu.Lock()
	known := f.warned[key] || len(f.warned) >= maxFiles
	if !known {
		f.warned[key] = true
	}
	f.mu.Unlock()
	text := fmt.Sprintf("%s: %s of %s: %v", p.describe(), path, u, err)
	if known {
		f.log.Info(text)
	} else {
		f.opts.Notice(text)
	}
}

type warned struct {
	program    *probe
	path, text string
}

// report tells people which programs are attached nowhere, and which are at last:
// each of the two once.
func (f *Follower) report() {
	counts := f.registry.counts()
	where := f.where()
	var waiting, found []string
	for _, p := range f.probes {
		c := counts[p]
		attached := c != nil && c.files > 0
		switch {
		case attached && p.missed:
			p.missed = false
			found = append(found, p.describe())
		case !attached && !p.told && where != "":
			p.missed, p.told = true, true
			waiting = append(waiting, p.describe())
		}
	}
	if len(waiting) > 0 {
		f.opts.Notice(strings.Join(waiting, ", ") + ": found " + where + "; waiting")
	}
	if len(found) > 0 {
		f.opts.Notice(strings.Join(found, ", ") + ": found now")
	}
}

// where says where programs have been looked for in vain, "" when nowhere.
func (f *Follower) where() string {
	host, containers := false, map[string]bool{}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, u := range f.units {
		if !u.searched.Load() {
			continue
		}
		if c := u.container.Load(); c == nil {
			host = true
		} else {
			containers[c.ID] = true
		}
	}
	switch n := len(containers); {
	case host && n == 0:
		return "nowhere on this host"
	case host:
		return fmt.Sprintf("neither on this host nor in %s", plural(n, "container"))
	case n == 1:
		return "not in the container that there is"
	case n > 1:
		return fmt.Sprintf("in none of %d containers", n)
	}
	return ""
}

func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// summary is told when all that exists has been attached.
func (f *Follower) summary() {
	counts := f.registry.counts()
	for _, p := range f.probes {
		c := counts[p]
		if c == nil {
			c = &count{}
		}
		f.log.Info("uprobe "+p.target.String(), "program", p.plan.Name,
			"files", c.files, "functions", c.functions, "namespaces", len(c.units))
	}
}

// NowhereError says that no program can ever be attached: the files that they name by
// path are not on this host, or lack the function.
type NowhereError struct {
	// Targets are what the programs are for: uprobe /usr/bin/app:main.
	Targets []string
}

func (e *NowhereError) Error() string {
	return strings.Join(e.Targets, ", ") + ": found nowhere on this host"
}

// hopeless returns a NowhereError when nothing is attached, and nothing but files of
// the host is asked for. Libraries may still come.
func (f *Follower) hopeless() error {
	counts := f.registry.counts()
	e := &NowhereError{}
	for _, p := range f.probes {
		if c := counts[p]; !p.target.absolute() || c != nil && c.files > 0 {
			return nil
		}
		e.Targets = append(e.Targets, p.describe())
	}
	slices.Sort(e.Targets)
	e.Targets = slices.Compact(e.Targets)
	return e
}

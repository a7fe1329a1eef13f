package uprobe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gadget-bpf/gadget/internal/executable"
)

// mapped looks at code that a process has mapped.
func (u *unit) mapped(m *mapping) {
	key, now := recordID{m.major, m.minor, m.inode}, time.Now()
	if now.Sub(u.recent[key]) < again && !u.located[key] {
		return
	}
	if len(u.recent) >= maxFiles {
		clear(u.recent)
		clear(u.located)
	}
	u.recent[key] = now
	u.searchRoot(m.pid)

	c := &candidate{path: strings.TrimSuffix(m.path, deletedMark)}
	var err error
	if c.file, err = u.openMapped(m, c.path); err != nil {
		u.f.log.Debug("open mapped file", "file", m.path, "in", u.String(), "error", err)
		return
	}
	defer c.file.Close()
	u.examine(c, m)
}

// openMapped opens the file that is mapped; when the process is too short-lived for
// that, the file of that name.
func (u *unit) openMapped(m *mapping, name string) (*os.File, error) {
	file, err := m.open()
	if err == nil || name != m.path {
		return file, err
	}
	r := u.openRoot(int(u.space.PID))
	if r == nil {
		return nil, err
	}
	defer r.close()
	return r.open(name)
}

// examine attaches the programs that are for a file. Which these are is remembered
// as long as the file does not change.
func (u *unit) examine(c *candidate, m *mapping) {
	id, err := idOf(c.file)
	if err != nil {
		return
	}
	probes, known := u.seen[id]
	if !known {
		for _, p := range u.f.probes {
			if u.wants(p, c, m) {
				probes = append(probes, p)
			}
		}
		if len(u.seen) >= maxFiles {
			clear(u.seen)
		}
		u.seen[id] = probes
	}
	for _, p := range probes {
		u.attach(p, c, m)
	}
}

// wants says whether a program is for a file: it names it, or a library that is part
// of it.
func (u *unit) wants(p *probe, c *candidate, m *mapping) bool {
	switch {
	case p.target.called(c.path):
		return true
	case p.target.absolute():
		return u.found[p] == 0 && u.alias(p, c, m)
	}
	return contained(p, c)
}

// alias says whether the target's name leads to a file, over a symbolic link. That is
// for files that have come after the root directory was searched.
func (u *unit) alias(p *probe, c *candidate, m *mapping) bool {
	r := u.openRoot(m.pid)
	if r == nil {
		return false
	}
	defer r.close()
	named, err := r.open(p.target.File)
	if err != nil {
		return false
	}
	defer named.Close()
	a, err := idOf(named)
	b, err2 := idOf(c.file)
	return err == nil && err2 == nil && a == b
}

// contained says whether a file that is no such library, and is not linked with it,
// has it in itself.
func contained(p *probe, c *candidate) bool {
	elf, err := c.executable()
	if err != nil {
		return false
	}
	needs, err := elf.Needs()
	if err != nil || slices.ContainsFunc(needs, func(name string) bool { return libraryCalled(name, p.target.File) }) {
		return false
	}
	// Loaders have a small malloc of their own until there is another.
	if strings.HasPrefix(path.Base(c.path), "ld-") {
		return false
	}
	sites, _ := p.target.sites(elf) // What a file of any name lacks is no news.
	return len(sites) > 0
}

// attach attaches a program to a file for this unit. The mapping is nil when no
// process has it mapped.
func (u *unit) attach(p *probe, c *candidate, m *mapping) {
	if u.found[p] >= maxAttached {
		return
	}
	a, fresh, err := u.f.registry.use(u, p, c)
	if err == nil && m != nil && u.f.registry.locates(a) {
		u.located[recordID{m.major, m.minor, m.inode}] = true
		err = u.f.registry.locate(a, m)
	}
	if err != nil {
		u.f.warn(p, u, c.path, err)
		return
	}
	if !fresh {
		return
	}
	if u.found[p]++; u.found[p] == maxAttached {
		u.f.warn(p, u, c.path, fmt.Errorf("this is the last of %d files in one container", maxAttached))
	}
	if a.works() {
		// The host may have many namespaces with the same files.
		level := slog.LevelInfo
		if u.container.Load() == nil && a.maker != u {
			level = slog.LevelDebug
		}
		u.f.log.Log(context.Background(), level, "uprobe attached", "program", p.plan.Name, "target", p.target.String(),
			"file", c.path, "functions", len(a.done.sites), "in", u.String())
	}
	switch {
	case a.err == nil:
	case errors.Is(a.err, executable.ErrFormat) && !p.target.absolute():
		// Scripts for linkers are called like libraries.
		u.f.log.Debug("not a library", "file", c.path, "in", u.String(), "error", a.err)
	case errors.Is(a.err, errAbsent):
		u.f.warn(p, u, c.path, absent(p, c))
	default:
		u.f.warn(p, u, c.path, a.err)
	}
}

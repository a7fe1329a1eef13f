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
	if now.Sub(u.recent[key]) < again && !u.f.wantAddresses {
		return
	}
	if len(u.recent) >= maxFiles {
		clear(u.recent)
	}
	u.recent[key] = now
	u.searchRoot([]int{m.pid})

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
	r, err := openRoot(int(u.space.PID))
	if err != nil {
		return nil, err
	}
	defer r.close()
	if namespaceOf(int(u.space.PID)) != u.space.MntNS {
		return nil, os.ErrNotExist
	}
	return r.open(name)
}

// examine attaches the programs that name the file, and those that name a library
// that is part of it.
func (u *unit) examine(c *candidate, m *mapping) {
	var rest []*probe
	for _, p := range u.f.probes {
		switch {
		case p.target.called(c.path):
			u.attach(p, c, nil, m)
		case p.target.absolute():
			if u.found[p] == 0 {
				u.alias(p, c, m)
			}
		default:
			rest = append(rest, p)
		}
	}
	id, err := idOf(c.file)
	if len(rest) == 0 || err != nil || u.seen[id] && !u.f.wantAddresses {
		return
	}
	if len(u.seen) >= maxFiles {
		clear(u.seen)
	}
	u.seen[id] = true
	for _, p := range rest {
		if sites := contained(p, c); len(sites) > 0 {
			u.attach(p, c, sites, m)
		}
	}
}

// alias attaches to a file that has come after the root directory was searched, and
// to which a symbolic link of the target's name leads.
func (u *unit) alias(p *probe, c *candidate, m *mapping) {
	r, err := openRoot(m.pid)
	if err != nil {
		return
	}
	defer r.close()
	named, err := r.open(p.target.File)
	if err != nil {
		return
	}
	defer named.Close()
	a, err := idOf(named)
	b, err2 := idOf(c.file)
	if err == nil && err2 == nil && a == b {
		u.attach(p, c, nil, m)
	}
}

// contained finds a library's functions in a file that is no such library and is not
// linked with it: it has the library in itself.
func contained(p *probe, c *candidate) []site {
	elf, err := c.executable()
	if err != nil {
		return nil
	}
	needs, err := elf.Needs()
	if err != nil || slices.ContainsFunc(needs, func(name string) bool { return libraryCalled(name, p.target.File) }) {
		return nil
	}
	// Loaders have a small malloc of their own until there is another.
	if strings.HasPrefix(path.Base(c.path), "ld-") {
		return nil
	}
	sites, _ := p.target.sites(elf, false) // What a file of any name lacks is no news.
	return sites
}

// attach attaches a program to a file for this unit. The mapping is nil when no
// process has it mapped.
func (u *unit) attach(p *probe, c *candidate, sites []site, m *mapping) {
	if u.found[p] >= maxAttached {
		return
	}
	a, fresh, err := u.f.registry.use(u, p, c, sites)
	if err == nil && m != nil {
		err = u.f.registry.locate(a, m)
	}
	if err != nil {
		u.f.warn(p, u, c.path, err)
		return
	}
	if !fresh {
		return
	}
	if a.works() {
		if u.found[p]++; u.found[p] == maxAttached {
			u.f.warn(p, u, c.path, fmt.Errorf("this is the last of %d files in one container", maxAttached))
		}
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

package process

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
)

// nameWithin is how long to wait for the name of a cgroup that has just been made:
// the kernel's report is on its way.
const nameWithin = 20 * time.Millisecond

// cgroup is a directory of the unified hierarchy.
type cgroup struct {
	path, unit string
	// wanted is true when its processes are.
	wanted bool
}

// cgroups are those of the unified hierarchy by id, the inode of their directory,
// which the kernel does not use again. They stay when they are gone, for events
// that are read late.
type cgroups struct {
	mu   sync.RWMutex
	byID map[uint64]*cgroup
}

func newCgroups() *cgroups { return &cgroups{byID: map[uint64]*cgroup{}} }

func (c *cgroups) add(id uint64, choice *Choice, path string) *cgroup {
	g := &cgroup{path: path, unit: event.UnitOf(path), wanted: choice.matches(path)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byID[id] = g
	return g
}

// of returns the cgroup with an id, nil when it is not known.
func (c *cgroups) of(id uint64) *cgroup {
	for end := time.Now().Add(nameWithin); ; time.Sleep(time.Millisecond) {
		c.mu.RLock()
		g := c.byID[id]
		c.mu.RUnlock()
		if g != nil || time.Now().After(end) {
			return g
		}
	}
}

// matches counts the cgroups that are wanted.
func (c *cgroups) matches() (n int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, g := range c.byID {
		if g.wanted {
			n++
		}
	}
	return n
}

// mounts are the mount points of cgroup hierarchies.
type mounts struct {
	// unified is that of version 2, "" when it is not mounted; systemd that of
	// systemd's own hierarchy of version 1, others those of controllers.
	unified, systemd string
	others           []string
}

// findMounts reads a /proc/PID/mountinfo file.
func findMounts(path string) (mounts, error) {
	var m mounts
	file, err := os.Open(path)
	if err != nil {
		return m, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		// ID parent major:minor root mountpoint options [optional…] - type source options
		mount, kind, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if len(fields) < 5 {
			continue
		}
		switch point := fields[4]; {
		case strings.HasPrefix(kind, "cgroup2 "):
			m.unified = point
		case !strings.HasPrefix(kind, "cgroup "):
		case strings.Contains(kind, "name=systemd"):
			m.systemd = point
		default:
			m.others = append(m.others, point)
		}
	}
	return m, lines.Err()
}

// legacy says whether there are hierarchies of version 1, in which a process may be
// somewhere else than in the unified one.
func (m *mounts) legacy() bool { return m.systemd != "" || len(m.others) > 0 }

// decides says whether the unified hierarchy has what a choice is about. Where
// systemd uses only its own of version 1, as before 2020, it has not.
func (m *mounts) decides(c *Choice) bool {
	if m.unified == "" {
		return false
	}
	if len(c.Cgroups) > 0 {
		return !m.elsewhere(c)
	}
	return !hasSlice(m.systemd) || hasSlice(m.unified)
}

// elsewhere says whether a chosen cgroup is in a hierarchy of version 1 only.
func (m *mounts) elsewhere(c *Choice) bool {
	for _, path := range c.Cgroups {
		if exists(m.unified, path) {
			continue
		}
		for _, point := range append([]string{m.systemd}, m.others...) {
			if point != "" && exists(point, path) {
				return true
			}
		}
	}
	return false
}

func exists(point, path string) bool {
	found, err := filepath.Glob(filepath.Join(point, path))
	return err == nil && len(found) > 0
}

// hasSlice says whether systemd uses a hierarchy.
func hasSlice(point string) bool {
	found, err := filepath.Glob(filepath.Join(point, "*.slice"))
	return point != "" && err == nil && len(found) > 0
}

// Relative turns the path of a cgroup as the file system has it, such as
// /sys/fs/cgroup/system.slice, into one below the root of its hierarchy. What
// is such a path already stays as it is.
func Relative(path string) string {
	m, err := findMounts("/proc/self/mountinfo")
	if err != nil {
		return path
	}
	for _, point := range append([]string{m.unified, m.systemd}, m.others...) {
		if rest, ok := strings.CutPrefix(path, point+"/"); ok && point != "" {
			return "/" + rest
		}
	}
	return path
}

// walk visits all directories of the unified hierarchy.
func walk(point string, visit func(id uint64, path, dir string)) error {
	err := filepath.WalkDir(point, func(dir string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
			return nil // Gone meanwhile.
		}
		if err != nil || !d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil // Likewise.
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return nil
		}
		path := strings.TrimPrefix(dir, point)
		if path == "" {
			path = "/"
		}
		visit(st.Ino, path, dir)
		return nil
	})
	if err != nil {
		return fmt.Errorf("list cgroups: %w", err)
	}
	return nil
}

// Units lists the units that have a cgroup now, for completion.
func Units() []string {
	return listPaths(event.UnitOf)
}

// Cgroups lists the paths of the cgroups that exist now, for completion.
func Cgroups() []string {
	return listPaths(func(path string) string { return path })
}

// listPaths lists what name makes of the path of each cgroup, each once and but
// for "".
func listPaths(name func(path string) string) []string {
	m, err := findMounts("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	seen := map[string]bool{"": true}
	var list []string
	for _, point := range []string{m.unified, m.systemd} {
		if point == "" {
			continue
		}
		// What cannot be listed cannot be completed.
		_ = walk(point, func(_ uint64, path, _ string) {
			if n := name(path); !seen[n] {
				seen[n] = true
				list = append(list, n)
			}
		})
	}
	slices.Sort(list)
	return list
}

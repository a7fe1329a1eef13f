package process

import (
	"bytes"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container"
)

// Choice says which processes are wanted. The zero value chooses none.
type Choice struct {
	// Units are names of units, such as nginx.service or, in short, nginx. Cgroups
	// are paths below the root of their hierarchy, such as /system.slice; what is
	// below them counts, too. A process must satisfy both when both are given.
	Units, Cgroups container.Patterns
	// Command is a process that is wanted with all that descends from it, besides
	// those of units and cgroups; 0 is none.
	Command uint32
}

// Empty is true when nothing is chosen.
func (c *Choice) Empty() bool { return c.Command == 0 && !c.byCgroup() }

// byCgroup says whether cgroups decide.
func (c *Choice) byCgroup() bool { return len(c.Units)+len(c.Cgroups) > 0 }

// matches says whether the processes of a cgroup are wanted for it.
func (c *Choice) matches(path string) bool {
	if !c.byCgroup() {
		return false
	}
	return c.Units.Match(unitNames(path)...) && c.Cgroups.Match(ancestors(path)...)
}

// unitNames are those by which the unit of a cgroup may be chosen: people leave
// .service out, as they do with systemctl.
func unitNames(path string) []string {
	unit := event.UnitOf(path)
	if short, ok := strings.CutSuffix(unit, ".service"); ok {
		return []string{unit, short}
	}
	return []string{unit}
}

// ancestors are a path and all above it but the root, which is its own ancestor.
func ancestors(path string) []string {
	list := []string{path}
	for i := strings.LastIndexByte(path, '/'); i > 0; i = strings.LastIndexByte(path[:i], '/') {
		list = append(list, path[:i])
	}
	return list
}

// ownPath is the path that counts of a /proc/PID/cgroup file: that in the unified
// hierarchy; when nobody uses it, that of systemd, or else the first of a
// controller that says something. "" is for a file that says nothing at all.
func ownPath(file []byte) string {
	var unified, systemd, other string
	for line := range bytes.Lines(file) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		switch path := fields[2]; {
		case fields[0] == "0":
			unified = path
		case fields[1] == "name=systemd":
			systemd = path
		case len(other) < 2:
			other = path
		}
	}
	for _, path := range []string{unified, systemd, other} {
		if len(path) > 1 {
			return path
		}
	}
	return unified
}

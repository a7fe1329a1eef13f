package event

import "strings"

// place is where the process of a record runs. Without somebody to ask it is
// where its container does.
func (t *Formatter) place(f *Field, rec *Record) (unit, cgroup string) {
	if t.env.Place != nil {
		if unit, cgroup = t.env.Place(uint32(f.Uint(rec))); cgroup != "" {
			return unit, cgroup
		}
	}
	if rec.Container == nil {
		return "", ""
	}
	return UnitOf(rec.Container.CgroupPath), rec.Container.CgroupPath
}

// UnitOf is the systemd unit to which a cgroup belongs: the last component of its
// path that names a service or a scope, "" when there is none. Slices are no units
// here: all that runs is in some.
func UnitOf(path string) string {
	for end := len(path); end > 0; {
		start := strings.LastIndexByte(path[:end], '/') + 1
		name := path[start:end]
		if strings.HasSuffix(name, ".service") || strings.HasSuffix(name, ".scope") {
			return name
		}
		end = start - 1
	}
	return ""
}

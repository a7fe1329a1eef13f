package schemas

import (
	"maps"
	"slices"
)

// Templates returns the names of the field templates, sorted.
func Templates() []string { return slices.Sorted(maps.Keys(templates)) }

// Template returns the annotations that a field template stands for, nil for an
// unknown name. Names compare as written; the caller may keep and change the map.
func Template(name string) map[string]string {
	return maps.Clone(templates[name])
}

// columns builds the annotations of a template: pairs of key (without
// "columns.") and value; "description" is taken as it is.
func columns(pairs ...string) map[string]string {
	m := make(map[string]string, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		key := pairs[i]
		if key != "description" {
			key = "columns." + key
		}
		m[key] = pairs[i+1]
	}
	return m
}

// templates is the table of compat-spec §3.6.
var templates = map[string]map[string]string{
	"timestamp": columns("width", "35", "maxwidth", "35", "ellipsis", "end", "hidden", "true",
		"description", "Time of the event"),
	"bytes":                columns("width", "10", "alignment", "right"),
	"duration":             columns("width", "20", "alignment", "right"),
	"node":                 columns("width", "30", "ellipsis", "middle"),
	"pod":                  columns("width", "30", "ellipsis", "middle"),
	"container":            columns("width", "30"),
	"namespace":            columns("width", "30"),
	"containerImageName":   columns("width", "30"),
	"containerImageDigest": columns("width", "30"),
	"containerPid":         columns("width", "6", "alignment", "right", "hidden", "true"),
	"containerStartedAt":   columns("width", "35", "hidden", "true"),
	"comm":                 columns("maxwidth", "16", "description", "Name of the process"),
	"pcomm":                columns("maxwidth", "16", "hidden", "true", "description", "Name of the parent process"),
	"pid":                  columns("minwidth", "7", "alignment", "right", "description", "Process ID"),
	"tid":                  columns("minwidth", "7", "alignment", "right", "description", "Thread ID"),
	"ppid":                 columns("minwidth", "7", "alignment", "right", "hidden", "true", "description", "Process ID of the parent"),
	"ptid":                 columns("minwidth", "7", "alignment", "right", "hidden", "true", "description", "Thread ID of the parent"),
	"uid":                  columns("minwidth", "8", "alignment", "right", "description", "User ID"),
	"gid":                  columns("minwidth", "8", "alignment", "right", "description", "Group ID"),
	"ns":                   columns("width", "12", "alignment", "right", "hidden", "true"),
	"mntns_id":             columns("width", "12", "alignment", "right", "hidden", "true", "description", "Inode of the mount namespace"),
	"netns_id":             columns("width", "12", "alignment", "right", "hidden", "true", "description", "Inode of the network namespace"),
	"l4endpoint":           columns("minwidth", "22", "width", "40", "maxwidth", "52", "ellipsis", "middle"),
	"syscall":              columns("width", "18", "maxwidth", "28", "description", "Name of the system call"),
	"errorString":          columns("width", "12"),
	"user_stack":           columns("hidden", "true", "description", "Stack of the program in user space"),
}

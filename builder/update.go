package builder

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

// UpdateMetadata compiles the program of a gadget in dir and returns its gadget.yaml
// with what is missing in it: name, data sources, fields, parameters, each with a
// description made from names and types. What is written there stays as it is, to
// the byte. added lists the keys that are new. A gadget without gadget.yaml gets
// one. Nothing is written to the disk.
func UpdateMetadata(ctx context.Context, dir string, src Source, o Options) (text []byte, added []string, err error) {
	if src.Program == "" {
		return nil, nil, errors.New("update gadget.yaml: there is no program that it could describe")
	}
	file := src.Metadata
	if file == "" {
		file = filepath.Join(dir, schemas.DefaultMetadataFile)
	}
	text, md, _, err := src.metadata()
	if err != nil {
		return nil, nil, err
	}
	o.Platforms = Platforms()[:1]
	platforms, err := parsePlatforms(o.Platforms)
	if err != nil {
		return nil, nil, err
	}
	objects, _, err := compileAll(ctx, src.Program, platforms, o)
	if err != nil {
		return nil, nil, err
	}
	p, err := plan.New(objects[0], md)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", src.Program, err)
	}
	u := updater{md: md}
	u.gadget(dir)
	for _, s := range p.Sources {
		u.source(s)
	}
	for i := range p.Params {
		u.param(&p.Params[i])
	}
	for _, a := range u.additions {
		added = append(added, strings.Join(a.Path, " → "))
	}
	text, err = schemas.Insert(file, text, u.additions)
	return text, added, err
}

// updater collects what gadget.yaml lacks.
type updater struct {
	md        *schemas.Metadata
	additions []schemas.Addition
}

func (u *updater) add(value string, path ...string) {
	u.additions = append(u.additions, schemas.Addition{Path: path, Value: value})
}

// unwritten begins a description that only its author can write.
const unwritten = "TODO: "

func (u *updater) gadget(dir string) {
	if u.md.Name == "" {
		name := "gadget"
		if abs, err := filepath.Abs(dir); err == nil {
			name = filepath.Base(abs)
		}
		u.add(name, "name")
	}
	if u.md.Description == "" {
		u.add(unwritten+"what this gadget shows, in one sentence", "description")
	}
}

// source adds the fields of a data source that nothing describes.
func (u *updater) source(s *plan.Source) {
	for i := range s.Layout.Fields {
		f := &s.Layout.Fields[i]
		if f.Description != "" || f.Kind == event.FromContainer {
			continue
		}
		for _, a := range suggestions(f) {
			u.add(a.Value, append([]string{"datasources", s.Name, "fields", f.Name, "annotations"}, a.Path...)...)
		}
	}
}

// byName are the templates of numbers and texts that have a usual name and no type
// that says what they are.
var byName = map[string]string{
	"pid": "pid", "tid": "tid", "ppid": "ppid", "tgid": "pid", "uid": "uid", "gid": "gid", "comm": "comm", "pcomm": "pcomm",
	"mntns_id": "mntns_id", "mntns": "mntns_id", "netns_id": "netns_id", "netns": "netns_id",
}

// suggestions are the annotations for a field that has none.
func suggestions(f *event.Field) []schemas.Addition {
	one := func(key, value string) schemas.Addition { return schemas.Addition{Path: []string{key}, Value: value} }
	last := f.Name[strings.LastIndexByte(f.Name, '.')+1:]
	if t := byName[last]; t != "" && (f.Kind == event.CString) == (t == "comm" || t == "pcomm") {
		return []schemas.Addition{one("template", t)}
	}
	out := []schemas.Addition{one("description", fieldWords(f.Name))}
	switch {
	case f.Hidden:
	case f.Kind == event.CString && f.Size > 16:
		// Wide enough for most, and a table still fits.
		out = append(out, one("columns.width", strconv.Itoa(min(f.Size, 32))))
	case f.Count == 0 && f.Class() != event.Text && f.Class() != event.Boolean:
		out = append(out, one("columns.alignment", "right"), one("columns.minwidth", strconv.Itoa(max(len(last), 6))))
	}
	return out
}

// described are descriptions of names that programs share.
var described = map[string]string{
	"fd": "File descriptor", "fname": "Name of the file", "filename": "Name of the file", "path": "Path of the file",
	"file": "Name of the file", "ret": "Return value", "retval": "Return value", "error": "Error, empty for none",
	"flags": "Flags", "mode": "Permissions", "timestamp": "Time of the event", "ifindex": "Index of the network interface",
	"cpu": "Processor", "sig": "Signal", "args": "Arguments", "argc": "Number of arguments", "len": "Length in bytes",
	"dev": "Device number", "inode": "Inode number", "ino": "Inode number", "cgroup": "Control group", "cgroup_id": "Id of the control group",
	"src": "Source address", "dst": "Destination address", "saddr": "Source address", "daddr": "Destination address",
	"sport": "Source port", "dport": "Destination port", "proto": "Protocol", "family": "Address family",
	"latency": "How long it took", "duration": "How long it took", "delta": "How long it took",
}

// units are the ends of names that say what a number counts.
var units = map[string]string{"ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "bytes": "bytes", "kb": "kilobytes"}

// fieldWords makes a description of a field from its name: bytes_sent is "Bytes sent".
func fieldWords(name string) string {
	last := strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "_raw")
	about, number := described[last], strings.HasSuffix(name, "_raw")
	if about == "" {
		words := strings.Fields(strings.ReplaceAll(last, "_", " "))
		if n := len(words); n > 1 && units[words[n-1]] != "" {
			words = append(words[:n-1], "in", units[words[n-1]])
		}
		about = strings.Join(words, " ")
		if about != "" {
			about = strings.ToUpper(about[:1]) + about[1:]
		}
	}
	if number {
		about += ", as a number"
	}
	return about
}

// param adds a parameter that nothing describes.
func (u *updater) param(p *plan.Param) {
	if p.Description != "" {
		return
	}
	if u.md.Params.EBPF[p.Variable].Key == "" && strings.Contains(p.Key, "_") {
		u.add(strings.ReplaceAll(p.Key, "_", "-"), "params", "ebpf", p.Variable, "key")
	}
	u.add(fieldWords(p.Variable), "params", "ebpf", p.Variable, "description")
}

package builder

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

// Lint returns everything that can be said against the source of a gadget: what
// [Build] refuses or warns of, and what makes a gadget hard to use. The error is
// for what cannot be looked at at all, such as a program that clang refuses.
func Lint(ctx context.Context, src Source, o Options) ([]schemas.Problem, error) {
	platforms, err := parsePlatforms(o.Platforms)
	if err != nil {
		return nil, err
	}
	_, md, problems, err := src.metadata()
	if err != nil {
		return nil, err
	}
	wasm, err := src.wasm()
	if err != nil {
		return nil, err
	}
	objects, _, err := compileAll(ctx, src.Program, platforms, o)
	if err != nil {
		return nil, err
	}
	found, err := checkObjects(objects, platforms, md, wasm != nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.Program, err)
	}
	var object []byte
	if objects != nil {
		object = objects[0]
	}
	p, err := plan.New(object, md)
	if err != nil {
		return nil, err
	}
	return ordered(problems, found, style(p, src.Metadata, src.Program)), nil
}

// LintImage is Lint for an image; name stands for its gadget.yaml in the places.
func LintImage(img *schemas.Image, name string) ([]schemas.Problem, error) {
	md, problems, err := schemas.ParseMetadata(name, img.Metadata)
	if err != nil {
		return nil, err
	}
	problems = append(problems, schemas.Validate(schemas.GadgetSchema, name, img.Metadata)...)
	var all [][]schemas.Problem
	for i := range img.Platforms {
		platform := &img.Platforms[i]
		var object []byte
		if l := platform.Layer(schemas.MediaTypeProgram); l != nil {
			object = l.Data
		}
		p, err := plan.New(object, md)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", platform.OS, platform.Arch, err)
		}
		all = append(all, check(p, md, platform.Layer(schemas.MediaTypeWASM) != nil), style(p, name, name))
	}
	return ordered(append(all, problems)...), nil
}

// ordered joins problems in the order of the file, each once.
func ordered(lists ...[]schemas.Problem) []schemas.Problem {
	var out []schemas.Problem
	for _, p := range slices.Concat(lists...) {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b schemas.Problem) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return a.Pos.Col - b.Pos.Col
	})
	return out
}

// fixByUpdate is what writes most of what style asks for.
const fixByUpdate = "gadget image build --update-metadata adds what is missing"

// style finds what makes a gadget hard to use, though it runs. metadata and
// program are the files to point at.
func style(p *plan.Plan, metadata, program string) []schemas.Problem {
	var out []schemas.Problem
	warn := func(file string, pos schemas.Pos, hint, format string, args ...any) {
		if pos == (schemas.Pos{}) {
			pos.File = file
		}
		out = append(out, schemas.Problem{Severity: schemas.Warning, Pos: pos, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	md := p.Metadata
	switch {
	case metadata == "":
		warn(program, schemas.Pos{}, fixByUpdate, "there is no gadget.yaml: nobody knows what the gadget shows")
		return out
	case md.Name == "":
		warn(metadata, schemas.Pos{}, fixByUpdate, "the gadget has no name")
	}
	if md.Description == "" || strings.HasPrefix(md.Description, unwritten) {
		warn(metadata, schemas.Pos{}, "say in one sentence what it shows", "the gadget has no description")
	}
	for _, s := range p.Sources {
		ds := md.DataSources[strings.ToLower(s.Name)]
		for i := range s.Layout.Fields {
			f := &s.Layout.Fields[i]
			if own := ds.Fields[strings.ToLower(f.Name)]; f.Description == "" || strings.HasPrefix(f.Description, unwritten) {
				pos := own.Pos
				if pos == (schemas.Pos{}) {
					pos = ds.Pos
				}
				warn(metadata, pos, fixByUpdate, "field %s of data source %s has no description", f.Name, s.Name)
			}
		}
		if owned(s.Layout) && s.Layout.MntNS == nil && s.Layout.NetNS == nil {
			warn(program, ds.Pos, "put a struct gadget_process, or a gadget_mntns_id, into struct "+s.Struct,
				"events of data source %s tell no namespace, so their container is unknown", s.Name)
		}
	}
	for i := range p.Params {
		if param := &p.Params[i]; param.Description == "" || strings.HasPrefix(param.Description, unwritten) {
			warn(metadata, md.Params.EBPF[param.Variable].Pos, fixByUpdate, "parameter %s has no description", param.Key)
		}
	}
	return out
}

// owned reports whether events of a layout are those of a process.
func owned(l *event.Layout) bool {
	return slices.ContainsFunc(l.Fields, func(f event.Field) bool {
		return f.Type == "gadget_pid" || f.Type == "gadget_comm" || f.Type == "gadget_tid"
	})
}

package plan_test

import (
	"bytes"
	"debug/elf"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/schemas"
)

var update = flag.Bool("update", false, "write golden files anew")

const everything = "testdata/everything"

// TestEverything compares the whole plan of a gadget that has one of everything.
func TestEverything(t *testing.T) {
	p := gadgettest.Plan(t, everything)
	got := describe(p)
	golden := everything + "/plan.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("plan changed (-want +got), -update accepts it:\n%s", diff)
	}
	if again := describe(gadgettest.Plan(t, everything)); again != got {
		t.Error("the same object gave two plans")
	}
}

// describe prints what a plan says, without numbers that depend on the compiler.
func describe(p *plan.Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "license %s, filters containers: %v\n", p.License, p.FiltersContainers)
	for _, s := range p.Sources {
		l := s.Layout
		fmt.Fprintf(&b, "\nsource %s: struct %s of %d bytes through %s, lost in %q\n", s.Name, s.Struct, l.Size, s.Map, s.Lost)
		fmt.Fprintf(&b, "keys: mntns %s, netns %s, time %s\n", name(l.MntNS), name(l.NetNS), name(l.Time))
		for i := range l.Fields {
			describeField(&b, &l.Fields[i])
		}
		for _, group := range slices.Sorted(maps.Keys(l.Groups)) {
			fmt.Fprintf(&b, "  %s is %q\n", group, l.Groups[group])
		}
	}
	b.WriteString("\n")
	for _, x := range p.Params {
		fmt.Fprintf(&b, "param --%s sets %s, %s of %d bytes, default %q: %s\n", x.Key, x.Variable, x.Type, x.Size, x.Default, x.Description)
	}
	for _, x := range p.Programs {
		fmt.Fprintf(&b, "program %s SEC(%q) %s at %q, disabled: %v\n", x.Name, x.Section, x.Type, x.Hook, x.Disabled)
	}
	for _, x := range p.Maps {
		if strings.HasPrefix(x.Name, ".") {
			continue
		}
		fmt.Fprintf(&b, "map %s %s %d→%d ×%d = %d bytes, per CPU: %v, sized by %q\n", x.Name, x.Type, x.KeySize, x.ValueSize, x.MaxEntries, x.Bytes, x.PerCPU, x.SizedBy)
	}
	return b.String()
}

func name(f *event.Field) string {
	if f == nil {
		return "none"
	}
	return f.Name
}

func describeField(b *strings.Builder, f *event.Field) {
	c := f.Column
	kind, err := f.Kind.MarshalText()
	if err != nil {
		kind = []byte(err.Error())
	}
	fmt.Fprintf(b, "  %-28s %-14s @%d+%d", f.Name, kind, f.Offset, f.Size)
	if f.Count > 0 {
		fmt.Fprintf(b, " ×%d", f.Count)
	}
	fmt.Fprintf(b, " order %d width %d/%d/%d", f.Order, c.Width, c.MinWidth, c.MaxWidth)
	flags := []struct {
		word string
		set  bool
	}{{"hidden", f.Hidden}, {"nojson", f.SkipJSON}, {"right", c.Right}, {"hex", c.Hex}, {"len", f.HasLen}}
	for _, fl := range flags {
		if fl.set {
			b.WriteString(" " + fl.word)
		}
	}
	if c.Title != "" {
		fmt.Fprintf(b, " title %q", c.Title)
	}
	if f.Enum != nil {
		fmt.Fprintf(b, " enum %v", f.Enum.Values)
	}
	if f.Description != "" {
		fmt.Fprintf(b, " %q", f.Description)
	}
	b.WriteString("\n")
}

// TestBroken changes one thing of a good object or its metadata at a time.
func TestBroken(t *testing.T) {
	object := gadgettest.Object(t, everything)
	rename := func(from, to string) []byte {
		if len(from) != len(to) || !bytes.Contains(object, []byte(from)) {
			t.Fatalf("cannot rename %s", from)
		}
		return bytes.ReplaceAll(object, []byte(from), []byte(to))
	}
	tests := []struct {
		name   string
		object []byte
		want   string
	}{
		{"empty", []byte{}, "read eBPF object"},
		{"not an ELF", []byte("#!/bin/sh\necho hello\n"), "read eBPF object"},
		{"cut off", object[:len(object)/2], "read eBPF object"},
		{"no such map", rename("gadget_tracer_everything___events___event", "gadget_tracer_everything___evints___event"),
			`GADGET_TRACER everything: no map "evints" in the object; did you mean "events"?`},
		{"map of a wrong type", rename("gadget_tracer_everything___events___event", "gadget_tracer_everything___starts___event"),
			`GADGET_TRACER everything: map "starts" is Hash; it must be a ring buffer or a perf event array`},
		{"no such struct", rename("gadget_tracer_everything___events___event", "gadget_tracer_everything___events___evint"),
			`GADGET_TRACER everything: no struct "evint" in the object's BTF`},
		{"too few parts", rename("gadget_tracer_everything___events___event", "gadget_tracer_everything___events_a_event"),
			"want name, map and struct"},
		{"no such variable", rename("gadget_param_verbose", "gadget_param_verbase"),
			"GADGET_PARAM verbase: no variable of that name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := plan.New(tt.object, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// TestIgnored checks that annotations which make no sense are told and have no
// effect: an image that exists is never refused for them.
func TestIgnored(t *testing.T) {
	objects := map[string][]byte{
		"everything": gadgettest.Object(t, everything),
		"tasks":      gadgettest.Object(t, "../../runner/testdata/tasks"),
	}
	for _, tt := range []struct {
		source, want string
		annotations  map[string]string
	}{
		{"everything", `annotation ebpf.rest.len: "nowhere" must name a __u32 member`,
			map[string]string{"ebpf.rest.name": "x", "ebpf.rest.len": "nowhere"}},
		{"everything", `annotation ebpf.rest.format: "png" is not one of bytes, string, args`,
			map[string]string{"ebpf.rest.name": "x", "ebpf.rest.format": "png"}},
		{"tasks", `annotation fetch-interval: "often" is not a duration`, map[string]string{"fetch-interval": "often"}},
		{"tasks", `annotation fetch-count: "-1" is not a whole number`, map[string]string{"fetch-count": "-1"}},
	} {
		pos := schemas.Pos{File: "gadget.yaml", Line: 7, Col: 3}
		p, err := plan.New(objects[tt.source], &schemas.Metadata{DataSources: map[string]schemas.DataSource{
			tt.source: {Annotations: tt.annotations, Pos: pos},
		}})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Problems) != 1 || !strings.Contains(p.Problems[0].Message, tt.want) || p.Problems[0].Pos != pos {
			t.Errorf("problems %v, want one at %s with %q", p.Problems, pos, tt.want)
		}
		s := p.Source(tt.source)
		if s.Layout.Field("x") != nil || s.Interval != 0 || s.Layout.Array && s.Count != 1 {
			t.Errorf("%v has an effect", tt.annotations)
		}
	}
}

// TestNoMetadata plans an object alone, as images without gadget.yaml are run.
func TestNoMetadata(t *testing.T) {
	p, err := plan.New(gadgettest.Object(t, everything), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s := p.Source("everything"); s == nil || s.Layout.Field("proc.comm") == nil {
		t.Error("no layout without metadata")
	}
	if p, err = plan.New(nil, nil); err != nil || len(p.Sources) != 0 {
		t.Errorf("empty gadget: %+v, %v", p, err)
	}
}

// FuzzNew mutates an object: whatever comes must be refused or planned, and
// layouts stay within their struct.
func FuzzNew(f *testing.F) {
	object := gadgettest.Object(f, everything)
	f.Add(object)
	if file, err := elf.NewFile(bytes.NewReader(object)); err == nil {
		for _, s := range file.Sections {
			if s.Name == ".BTF" {
				broken := bytes.Clone(object)
				broken[s.Offset+40] ^= 0xff
				f.Add(broken)
			}
		}
	}
	md := gadgettest.Metadata(f, everything)
	f.Fuzz(func(t *testing.T, object []byte) {
		p, err := plan.New(object, md)
		if err != nil {
			return
		}
		for _, s := range p.Sources {
			for i := range s.Layout.Fields {
				fd := &s.Layout.Fields[i]
				if fd.Offset < 0 || fd.Size < 0 || fd.Kind < event.RestBytes && fd.Offset+fd.Size > s.Layout.Size {
					t.Errorf("%s: %d+%d lies outside of %d bytes", fd.Name, fd.Offset, fd.Size, s.Layout.Size)
				}
			}
		}
		for _, m := range p.Maps {
			if m.Type == ebpf.UnspecifiedMap {
				t.Errorf("map %s has no type", m.Name)
			}
		}
	})
}

// A data source with metrics is followed by the one that draws them.
func TestMetrics(t *testing.T) {
	const dir = "../../runner/testdata/metrics"
	p := gadgettest.Plan(t, dir)
	for _, problem := range p.Problems {
		t.Error(problem)
	}
	var got []string
	for _, s := range p.Sources {
		line := s.Name
		if s.Metrics != nil {
			line += " drawn by " + s.Rendering.Name
			for _, k := range s.Metrics.Keys {
				line += ", key " + k.Name
			}
			for _, m := range s.Metrics.Metrics {
				line += fmt.Sprintf(", %s %q in %q: %s", m.Type, m.Name, m.Unit, m.Description)
			}
		}
		if s.Kind == plan.Rendered {
			line += fmt.Sprintf(" %s %v", s.Layout.Fields[0].Name, s.Layout.Annotations)
		}
		got = append(got, fmt.Sprintf("%s, final %v", line, s.FinalFetch))
	}
	drawn := " text map[cli.clear-screen-before:true cli.default-output-mode:histogram], final false"
	want := []string{
		`calls drawn by calls-rendered, key parity, counter "calls" in "": , gauge "last argument" in "": , histogram "arguments" in "things": First arguments, final true`,
		"calls-rendered" + drawn,
		`stream drawn by stream-rendered, counter "events" in "": Events of the stream, histogram "argument" in "": , final false`,
		"stream-rendered" + drawn,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	source := func(annotations map[string]string, fields map[string]schemas.Field) *plan.Plan {
		t.Helper()
		p, err := plan.New(gadgettest.Object(t, dir), &schemas.Metadata{DataSources: map[string]schemas.DataSource{
			"stream": {Annotations: annotations, Fields: fields, Pos: schemas.Pos{Line: 3}},
			"calls":  {Annotations: map[string]string{"metrics.collect": "true"}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	shown := map[string]string{"metrics.print": "true"}
	// Collected only: shown as it is. Without any metric: shown as it is, and said.
	p = source(shown, nil)
	if len(p.Sources) != 2 || p.Sources[0].Metrics != nil || len(p.Problems) != 1 ||
		!strings.Contains(p.Problems[0].String(), "data source stream: no field is a counter") {
		t.Errorf("%d sources, problems %v", len(p.Sources), p.Problems)
	}
	// A mistake has the place of its field.
	p = source(shown, map[string]schemas.Field{"argument": {Pos: schemas.Pos{Line: 7},
		Annotations: map[string]string{"metrics.type": "histogram", "metrics.boundaries": "2,1"}}})
	if len(p.Problems) == 0 || p.Problems[0].Pos.Line != 7 || !strings.Contains(p.Problems[0].Message, "field argument: metrics.boundaries: 1 is not above") {
		t.Errorf("problems %v", p.Problems)
	}
}

package main

import (
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/metric"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/schemas"
)

// inspection is all that is known of an image without running it. It is what
// `gadget image inspect -o json` prints; sizes are in bytes.
type inspection struct {
	Name    string `json:"name"`
	Digest  string `json:"digest,omitempty"`
	BuiltIn bool   `json:"builtIn"`
	// Signed is nil for what is built in.
	Signed      *signerView       `json:"signed,omitempty"`
	Title       string            `json:"title,omitempty"`
	Description string            `json:"description,omitempty"`
	Created     string            `json:"created,omitempty"`
	Builder     string            `json:"builder,omitempty"`
	License     string            `json:"license,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platforms   []platformView    `json:"platforms"`
	// Partial is true when only manifests and metadata were read: what comes from
	// the programs is not known then.
	Partial bool `json:"partial,omitempty"`
	// Platform is the one that the rest is about.
	Platform          string `json:"platform"`
	FiltersContainers bool   `json:"filtersContainers"`
	// CanChange is what the programs could do to the system beside watching it.
	CanChange   []powerView   `json:"canChange"`
	Programs    []programView `json:"programs"`
	Maps        []mapView     `json:"maps"`
	Params      []paramView   `json:"params"`
	DataSources []sourceView  `json:"dataSources"`
	Problems    []string      `json:"problems,omitempty"`
}

type platformView struct {
	Platform string      `json:"platform"`
	Digest   string      `json:"digest"`
	Layers   []layerView `json:"layers"`
}

type layerView struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Bytes     int64  `json:"bytes"`
}

// powerView is one thing that a program could do. Those that are usual for its type
// need no --allow change.
type powerView struct {
	Program string `json:"program"`
	Does    string `json:"does"`
	Calls   string `json:"calls,omitempty"`
	At      string `json:"at,omitempty"`
	Usual   bool   `json:"usual,omitempty"`
}

type programView struct {
	Name         string `json:"name"`
	Type         string `json:"type"`
	Hook         string `json:"hook,omitempty"`
	Section      string `json:"section"`
	Instructions int    `json:"instructions"`
	// Calls are the functions of the kernel that it calls: helpers and kfuncs.
	Calls    []string `json:"calls"`
	Disabled bool     `json:"disabled,omitempty"`
	// Optional programs may be missing, Group is the list of alternatives that it
	// stands in, When the condition under which it is used.
	Optional bool   `json:"optional,omitempty"`
	Group    string `json:"group,omitempty"`
	When     string `json:"when,omitempty"`
	// Here is set by --on-this-kernel.
	Here *hereView `json:"onThisKernel,omitempty"`
}

// hereView says what becomes of a program on this kernel.
type hereView struct {
	Used bool   `json:"used"`
	Why  string `json:"why,omitempty"`
}

type mapView struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	KeySize    uint32 `json:"keySize"`
	ValueSize  uint32 `json:"valueSize"`
	MaxEntries uint32 `json:"maxEntries"`
	Bytes      uint64 `json:"bytes"`
	PerCPU     bool   `json:"perCPU,omitempty"`
	Pinned     bool   `json:"pinned,omitempty"`
	SizedBy    string `json:"sizedBy,omitempty"`
}

type paramView struct {
	Key string `json:"key"`
	// FullName is the one in paramDefaults. Flag is the name of the flag of gadget
	// run, Alias its letter.
	FullName       string   `json:"fullName"`
	Flag           string   `json:"flag"`
	Alias          string   `json:"alias,omitempty"`
	Type           string   `json:"type"`
	Default        string   `json:"default"`
	Description    string   `json:"description,omitempty"`
	PossibleValues []string `json:"possibleValues,omitempty"`
	Required       bool     `json:"required,omitempty"`
	// Variable of the program, "" for a parameter that patches the metadata.
	Variable string `json:"variable,omitempty"`

	usage string
}

type sourceView struct {
	Name string `json:"name"`
	// Kind is stream, array, or drawing: text made of the metrics of another one.
	Kind string `json:"kind"`
	Map  string `json:"map,omitempty"`
	// From says, for people, where rows come from that no buffer holds.
	From string `json:"from,omitempty"`
	// CountsLoss is true when the gadget itself counts the events it loses.
	CountsLoss bool        `json:"countsLoss"`
	Struct     string      `json:"struct,omitempty"`
	Bytes      int         `json:"bytes"`
	Fields     []fieldView `json:"fields"`
	// Metrics are shown in place of the fields' values, by the data source DrawnBy.
	Metrics []metricView `json:"metrics,omitempty"`
	DrawnBy string       `json:"drawnBy,omitempty"`
}

type metricView struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Unit        string   `json:"unit"`
	Keys        []string `json:"keys"`
	Description string   `json:"description,omitempty"`
}

type fieldView struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"`
	Hidden      bool     `json:"hidden,omitempty"`
	Description string   `json:"description,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

// inspect describes an image by the plan for one of its platforms.
func inspect(a *app, info *registry.Info, p *plan.Plan, platform string) *inspection {
	v := &inspection{
		Title:             p.Metadata.Name,
		Description:       p.Metadata.Description,
		Digest:            info.Digest.String(),
		Created:           info.Annotations[ocispec.AnnotationCreated],
		Builder:           info.Annotations[schemas.AnnotationBuilderVersion],
		License:           p.License,
		Annotations:       info.Annotations,
		Platform:          platform,
		FiltersContainers: p.FiltersContainers,
		CanChange:         []powerView{},
		Programs:          []programView{},
		Maps:              []mapView{},
		Params:            []paramView{},
		DataSources:       []sourceView{},
	}
	for _, pl := range info.Platforms {
		view := platformView{Platform: pl.OS + "/" + pl.Arch, Digest: pl.Digest.String(), Layers: []layerView{}}
		for _, l := range pl.Layers {
			view.Layers = append(view.Layers, layerView{l.MediaType, l.Digest.String(), l.Size})
		}
		v.Platforms = append(v.Platforms, view)
	}
	for _, pr := range p.Programs {
		v.Programs = append(v.Programs, inspectProgram(p, &pr))
		for _, power := range pr.Powers {
			if !pr.Disabled {
				v.CanChange = append(v.CanChange, powerView{pr.Name, power.Does, power.Call, power.At, power.Usual})
			}
		}
	}
	for _, m := range p.Maps {
		v.Maps = append(v.Maps, mapView{m.Name, kernelName(m.Type.String()), m.KeySize, m.ValueSize, m.MaxEntries, m.Bytes, m.PerCPU, m.Pinned, m.SizedBy})
	}
	run := verb(rootCmd(&app{streams: a.streams}), "run")
	for i := range p.Params {
		pa := &p.Params[i]
		flag, short := paramFlag(run, pa)
		v.Params = append(v.Params, paramView{
			Key: pa.Key, FullName: pa.FullName(), Flag: flag, Alias: short, Type: pa.Type, Default: pa.Default,
			Description: pa.Description, PossibleValues: pa.Possible, Required: pa.Mandatory, Variable: pa.Variable,
			usage: paramUsage(pa),
		})
	}
	for _, s := range p.Sources {
		v.DataSources = append(v.DataSources, inspectSource(s))
	}
	for _, problem := range p.Problems {
		v.Problems = append(v.Problems, problem.String())
	}
	return v
}

func inspectProgram(p *plan.Plan, pr *plan.Program) programView {
	v := programView{
		Name: pr.Name, Type: kernelName(pr.Type.String()), Hook: pr.Hook, Section: pr.Section,
		Instructions: pr.Instructions, Disabled: pr.Disabled, Optional: pr.Optional, Calls: []string{},
	}
	for _, c := range pr.Calls {
		v.Calls = append(v.Calls, c.Name)
	}
	if pr.When != nil {
		v.When = pr.When.Source
	}
	for _, g := range p.Groups {
		if slices.Contains(g.Programs, pr.Name) {
			v.Group = g.Name
		}
	}
	return v
}

// addUses adds what became of the programs on this kernel.
func (v *inspection) addUses(uses []runner.Use) {
	for i := range v.Programs {
		for _, u := range uses {
			if pr := &v.Programs[i]; u.Program == pr.Name {
				pr.Here = &hereView{Used: u.Used, Why: u.Why}
			}
		}
	}
}

func inspectSource(s *plan.Source) sourceView {
	v := sourceView{Name: s.Name, Kind: "stream", Map: s.Map, CountsLoss: s.Lost != "", Struct: s.Struct, Bytes: s.Layout.Size, Fields: []fieldView{}}
	switch {
	case s.Layout.Array:
		v.Kind = "array"
	case s.Kind == plan.Rendered:
		v.Kind = "drawing"
	}
	if s.Metrics != nil {
		v.Metrics, v.DrawnBy = inspectMetrics(s.Metrics), s.Rendering.Name
	}
	v.From = rowsFrom(s)
	v.Fields = append(v.Fields, listFields(s.Layout)...)
	return v
}

// rowsFrom says where the records of a data source come from, "" when it is a
// buffer that programs fill.
func rowsFrom(s *plan.Source) string {
	switch s.Kind {
	case plan.Iterator:
		return "programs " + strings.Join(s.Programs, ", ")
	case plan.MapIterator:
		return "the entries of map " + s.Map
	case plan.Processes:
		return "/proc, by gadget itself"
	case plan.Cgroups:
		return "the files of cgroups, by gadget itself"
	case plan.ProgramStats:
		return "what the kernel says of its programs, by gadget itself"
	case plan.Containers:
		return "what gadget itself finds out about containers"
	}
	return ""
}

// structType is what the list of fields calls a member that has members itself.
const structType = "struct"

// listFields lists the fields of a layout, and before its members every struct that
// the gadget describes.
func listFields(l *event.Layout) []fieldView {
	var list []fieldView
	listed := map[string]bool{}
	for i := range l.Fields {
		f := &l.Fields[i]
		if f.Class() == event.None {
			continue
		}
		for at, c := range f.Name {
			group := f.Name[:at]
			if about := l.Groups[group]; c == '.' && about != "" && !listed[group] {
				listed[group] = true
				list = append(list, fieldView{Name: group, Type: structType, Hidden: true, Description: about})
			}
		}
		list = append(list, fieldView{f.Name, fieldType(f), f.Hidden, f.Description, slices.Clone(f.Tags)})
	}
	return list
}

func inspectMetrics(set *metric.Set) []metricView {
	keys := []string{}
	for _, k := range set.Keys {
		keys = append(keys, k.Name)
	}
	var views []metricView
	for _, m := range set.Metrics {
		views = append(views, metricView{m.Name, m.Type.String(), m.Unit, keys, m.Description})
	}
	return views
}

// kinds names the kinds of fields that are more than text.
var kinds = map[event.Kind]string{
	event.Bool: "bool", event.Int8: "int8", event.Int16: "int16", event.Int32: "int32", event.Int64: "int64",
	event.Uint8: "uint8", event.Uint16: "uint16", event.Uint32: "uint32", event.Uint64: "uint64",
	event.Float32: "float32", event.Float64: "float64", event.WallTime: "int64",
}

// fieldType is the type of a field's value as a program reads it.
func fieldType(f *event.Field) string {
	t := kinds[f.Kind]
	switch {
	case t != "":
	case f.Class() == event.Boolean:
		t = "bool"
	case f.Class() == event.Signed:
		t = "int64"
	case f.Class() == event.Unsigned:
		t = "uint64"
	default:
		t = "string"
	}
	if f.Count > 0 {
		t = fmt.Sprintf("%s[%d]", t, f.Count)
	}
	return t
}

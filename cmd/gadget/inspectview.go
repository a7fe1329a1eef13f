package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/schemas"
)

// write draws the inspection for a person: what it is, what it does to the kernel,
// what it costs, what it gives.
func (v *inspection) write(w io.Writer, t view.Terminal) error {
	p := &page{w: w, term: t}
	p.printf("%s\n", t.Bold(view.Safe(v.Name)))
	if v.Description != "" {
		p.printf("%s\n", view.SafeText(v.Description))
	}
	p.printf("\n")
	v.writeFacts(p)
	v.writePowers(p)
	v.writePrograms(p)
	v.writeMaps(p)
	v.writeParams(p)
	for i := range v.DataSources {
		v.DataSources[i].write(p)
	}
	if len(v.Problems) > 0 {
		p.title("Odd about it", "")
		for _, problem := range v.Problems {
			p.printf("  %s\n", view.Safe(problem))
		}
	}
	return p.err
}

// page writes sections and keeps the first error.
type page struct {
	w    io.Writer
	term view.Terminal
	err  error
}

func (p *page) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

func (p *page) title(text, note string) {
	p.printf("\n%s", p.term.Bold(view.Safe(text)))
	if note != "" {
		p.printf("  %s", p.term.Dim(view.Safe(note)))
	}
	p.printf("\n")
}

func (p *page) table(t *view.Table) {
	t.Indent = "  "
	if p.err == nil {
		p.err = t.Write(p.w, p.term)
	}
}

func (v *inspection) writeFacts(p *page) {
	facts := &view.Table{}
	fact := func(name, value string) {
		if value != "" {
			facts.Row(name, value)
		}
	}
	fact("digest", v.Digest)
	if v.BuiltIn {
		fact("from", "built into this program")
	}
	for i, pl := range v.Platforms {
		var layers []string
		for _, l := range pl.Layers {
			layers = append(layers, layerWord(l.MediaType)+" "+size(uint64(l.Bytes)))
		}
		name := ""
		if i == 0 {
			name = "platforms"
		}
		facts.Row(name, pl.Platform+"  "+strings.Join(layers, ", "))
	}
	if v.Signed != nil {
		fact("signed", v.Signed.String())
	}
	fact("created", v.Created)
	fact("builder", v.Builder)
	fact("headers", v.Annotations[schemas.AnnotationHeaders])
	fact("license", v.License)
	fact("home", v.Annotations[ocispec.AnnotationURL])
	fact("docs", v.Annotations[ocispec.AnnotationDocumentation])
	fact("source", v.Annotations[ocispec.AnnotationSource])
	switch {
	case v.Partial:
	case len(v.Programs) == 0:
		fact("programs", "none")
	case v.FiltersContainers:
		fact("filter", "in the kernel, by mount namespace")
	default:
		fact("filter", "none in the kernel: the gadget sees every process")
	}
	p.table(facts)
}

// writePowers tells what the gadget could do to the system.
func (v *inspection) writePowers(p *page) {
	if len(v.CanChange) == 0 {
		return
	}
	note := "as programs of their type always could"
	table := &view.Table{Titles: []string{"program", "could", "by", "at"}}
	for _, c := range v.CanChange {
		if !c.Usual {
			note = "gadget run wants --allow change"
		}
		table.Row(c.Program, c.Does, firstNonEmpty(c.Calls, "its type"), c.At)
	}
	p.title("Can change", note)
	p.table(table)
}

func layerWord(mediaType string) string {
	switch mediaType {
	case schemas.MediaTypeProgram:
		return "eBPF"
	case schemas.MediaTypeWASM:
		return "WASM"
	case schemas.MediaTypeBTFGen:
		return "BTF"
	}
	return mediaType
}

func (v *inspection) writePrograms(p *page) {
	if len(v.Programs) == 0 {
		return
	}
	here := v.Programs[0].Here != nil
	table := &view.Table{Titles: []string{"hook", "type", "program", "insns", "notes"}, Right: map[int]bool{3: true}}
	note := "what is attached where, on " + v.Platform
	if here {
		table.Titles[4] = "on this kernel"
		note = "what was attached where, for a moment"
	}
	p.title("Programs", note)
	for _, pr := range v.Programs {
		hook := firstNonEmpty(pr.Hook, pr.Section)
		if pr.Disabled {
			hook = "(disabled)"
		}
		notes := pr.notes()
		if here {
			notes = pr.Here.text()
		}
		table.Row(hook, pr.Type, pr.Name, strconv.Itoa(pr.Instructions), notes)
	}
	p.table(table)
}

// notes are the terms under which a program is used.
func (pr *programView) notes() string {
	var notes []string
	if pr.Group != "" {
		notes = append(notes, "one of "+pr.Group)
	}
	if pr.Optional {
		notes = append(notes, "optional")
	}
	if pr.When != "" {
		notes = append(notes, "when "+pr.When)
	}
	return strings.Join(notes, ", ")
}

func (h *hereView) text() string {
	text := "not used"
	if h.Used {
		text = "used"
	}
	if h.Why != "" {
		text += ": " + h.Why
	}
	return text
}

func (v *inspection) writeMaps(p *page) {
	if len(v.Maps) == 0 {
		return
	}
	var total, perCPU uint64
	table := &view.Table{
		Titles: []string{"map", "type", "key", "value", "entries", "memory", ""},
		Right:  map[int]bool{2: true, 3: true, 4: true, 5: true},
	}
	for _, m := range v.Maps {
		var notes []string
		if m.PerCPU {
			notes = append(notes, "per CPU")
			perCPU += m.Bytes
		} else {
			total += m.Bytes
		}
		if m.Pinned {
			notes = append(notes, "pinned")
		}
		if m.SizedBy != "" {
			notes = append(notes, "sized by "+m.SizedBy)
		}
		table.Row(m.Name, m.Type, bytesOf(m.KeySize), bytesOf(m.ValueSize), strconv.FormatUint(uint64(m.MaxEntries), 10), size(m.Bytes), strings.Join(notes, ", "))
	}
	note := size(total)
	if perCPU > 0 {
		note += " and " + size(perCPU) + " for each CPU"
	}
	p.title("Maps", note)
	p.table(table)
}

func bytesOf(n uint32) string {
	if n == 0 {
		return "-"
	}
	return strconv.FormatUint(uint64(n), 10)
}

func (v *inspection) writeParams(p *page) {
	if len(v.Params) == 0 {
		return
	}
	p.title("Parameters", "flags of gadget run "+v.Name)
	table := &view.Table{Titles: []string{"flag", "type", "default", "description"}}
	for _, pa := range v.Params {
		flag := "--" + pa.Flag
		if pa.Alias != "" {
			flag += ", -" + pa.Alias
		}
		table.Row(flag, pa.Type, firstNonEmpty(pa.Default, "-"), pa.usage)
	}
	p.table(table)
}

func (s *sourceView) write(p *page) {
	p.title("Data source "+s.Name, s.note())
	table := &view.Table{Titles: []string{"  field", "type", "description"}}
	for _, f := range s.Fields {
		mark := "* "
		if f.Hidden {
			mark = "  "
		}
		table.Row(mark+f.Name, f.Type, f.Description)
	}
	p.table(table)
	if len(s.Metrics) == 0 {
		return
	}
	p.title("Metrics of "+s.Name, "shown by "+s.DrawnBy)
	table = &view.Table{Titles: []string{"metric", "type", "unit", "one for each", "description"}}
	for _, m := range s.Metrics {
		table.Row(m.Name, m.Type, firstNonEmpty(m.Unit, "-"), firstNonEmpty(strings.Join(m.Keys, ", "), "-"), m.Description)
	}
	p.table(table)
}

// note says where the events come from.
func (s *sourceView) note() string {
	if s.Kind == "drawing" {
		return "drawings of metrics, as text"
	}
	const shown = "* is shown without being asked for"
	rows := s.Kind
	if s.Struct != "" {
		rows += fmt.Sprintf(" of struct %s, %d bytes each,", s.Struct, s.Bytes)
	}
	if s.From != "" {
		return fmt.Sprintf("%s from %s; %s", rows, s.From, shown)
	}
	loss := "loss is counted"
	if !s.CountsLoss {
		loss = "the gadget does not count loss"
	}
	return fmt.Sprintf("%s through %s; %s; %s", rows, s.Map, loss, shown)
}

// size is a number of bytes for people.
func size(n uint64) string { return string(event.AppendSize(nil, n)) }

// kernelWords mends what kernelName makes of words that the kernel writes as one.
var kernelWords = strings.NewReplacer("per_cpu", "percpu", "lrucpu", "lru_percpu", "ring_buf", "ringbuf", "trace_point", "tracepoint", "c_group", "cgroup")

// kernelName turns the library's name of a kernel type into the kernel's:
// LRUCPUHash → lru_percpu_hash, RingBuf → ringbuf.
func kernelName(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		upper := name[i] >= 'A' && name[i] <= 'Z'
		lowerNext := i+1 < len(name) && name[i+1] >= 'a'
		if upper && i > 0 && (name[i-1] >= 'a' || lowerNext) {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(name[i : i+1]))
	}
	return kernelWords.Replace(b.String())
}

package plan

import (
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/internal/event"
)

// formatter says how a number with a well-known typedef becomes text
// (compat-spec §5.6).
type formatter struct {
	kind event.Kind
	// size the typedef must have for the formatter to apply.
	size int
	// annotation that names the text's field.
	annotation string
	// target when neither the annotation nor a name ending in _raw gives one.
	target string
	// template of the text's column; hidden hides the text too.
	template string
	hidden   bool
}

// formatters by typedef name.
var formatters = map[string]formatter{
	"gadget_timestamp":  {event.Timestamp, 8, "formatters.timestamp.target", "", "timestamp", false},
	"gadget_errno":      {event.Errno, 4, "formatters.errno.target", "", "errorString", false},
	"gadget_signal":     {event.Signal, 4, "formatters.signal.target", "", "", false},
	"gadget_syscall":    {event.Syscall, 8, "formatters.syscall.target", "", "syscall", false},
	"gadget_bytes":      {event.HumanSize, 8, "formatters.bytes.target", "", "bytes", false},
	"gadget_duration":   {event.Duration, 8, "formatters.duration.target", "", "duration", false},
	"gadget_file_mode":  {event.FileMode, 4, "formatters.file_mode.target", "", "", false},
	"gadget_file_flags": {event.FileFlags, 4, "formatters.file_flags.target", "", "", false},
	"gadget_uid":        {event.User, 4, "uidgidresolver.target", "user", "", true},
	"gadget_gid":        {event.Group, 4, "uidgidresolver.target", "group", "", true},
	// Ours: the peer has an enum in each gadget.
	"gadget_capability":     {event.EnumName, 4, "ebpf.formatter.enum", "", "", false},
	"gadget_capability_set": {event.EnumSet, 8, "ebpf.formatter.enum", "", "", false},
}

// typed adds a number and, when its typedef has a meaning, the text made of it.
func (b *layoutBuilder) typed(f event.Field, names []string) {
	template := autoTemplate(names)
	for _, n := range names {
		if fm, ok := formatters[n]; ok && fm.size == f.Size {
			b.formatted(f, fm, template)
			return
		}
	}
	i := b.add(f, template)
	switch {
	case i < 0:
	case b.pid < 0 && slices.Contains(names, "gadget_pid") && f.Size == 4:
		b.pid = i
	case b.mntNS < 0 && slices.Contains(names, "gadget_mntns_id") && f.Size == 8:
		b.mntNS = i
	case b.netNS < 0 && slices.Contains(names, "gadget_netns_id") && f.Size == 4:
		b.netNS = i
	}
}

func (b *layoutBuilder) formatted(f event.Field, fm formatter, template string) {
	target := b.target(f.Name, fm.annotation, fm.target)
	raw := f
	if target != "" {
		if fm.kind == event.Timestamp {
			raw.Kind = event.WallTime
		}
		raw.Hidden = true
	}
	i := b.add(raw, template)
	if i >= 0 && b.time < 0 && fm.kind == event.Timestamp {
		b.time = i
	}
	if target == "" {
		return
	}
	text := f
	text.Name, text.Kind, text.Column.Title = target, fm.kind, ""
	text.Tags, text.Hidden = nil, fm.hidden
	switch fm.kind {
	case event.Timestamp:
		text.Format = b.annotation(f.Name, "formatters.timestamp.format")
	case event.EnumName:
		text.Enum = event.Capabilities()
	case event.EnumSet:
		text.Enum = event.CapabilityBits()
	}
	b.add(text, fm.template)
}

// target names the field for the text made of a raw field: by annotation, by
// dropping _raw, or a default under the same parent.
func (b *layoutBuilder) target(raw, annotation, fallback string) string {
	if t := b.annotation(raw, annotation); t != "" {
		return t
	}
	if t, ok := strings.CutSuffix(raw, "_raw"); ok && !strings.HasSuffix(t, ".") && t != "" {
		return t
	}
	if fallback == "" {
		return ""
	}
	return raw[:strings.LastIndexByte(raw, '.')+1] + fallback
}

// annotation returns what gadget.yaml says of a field, "" when nothing.
func (b *layoutBuilder) annotation(field, key string) string {
	return b.meta.Fields[strings.ToLower(field)].Annotations[key]
}

// enum adds an enum's number and its names. An enum whose type name ends in _set
// is a set of bits.
func (b *layoutBuilder) enum(f event.Field, typ *btf.Enum) {
	target := b.target(f.Name, "ebpf.formatter.enum", "")
	raw := f
	raw.Hidden = target != ""
	b.add(raw, "")
	if target == "" {
		return
	}
	text := f
	text.Name, text.Kind, text.Tags, text.Column.Title = target, event.EnumName, nil, ""
	text.Signed = typ.Signed
	text.Enum = &event.Enum{Name: typ.Name}
	for _, v := range typ.Values {
		text.Enum.Values = append(text.Enum.Values, event.EnumValue{Name: v.Name, Value: v.Value})
	}
	if strings.HasSuffix(typ.Name, "_set") {
		text.Kind = event.EnumSet
		text.Format = b.annotation(f.Name, "ebpf.formatter.bitfield.separator")
	}
	b.add(text, "")
}

package verifier

import (
	"regexp"
	"strings"
)

// words says what the verifier's notation of a value means (print_reg_state in
// kernel/bpf/log.c), "" when nothing is known of that kind.
func words(raw string) string {
	kind, rest, _ := strings.Cut(raw, "(")
	attrs := attributes(strings.TrimSuffix(rest, ")"))
	orNull := ""
	if base, ok := strings.CutSuffix(kind, "_or_null"); ok {
		kind, orNull = base, ", or NULL"
	}
	text := ""
	switch {
	case kind == "scalar" || kind == "inv" || kind == "invP":
		return number(attrs)
	case digits.MatchString(strings.TrimPrefix(strings.TrimPrefix(kind, "invP"), "inv")):
		return "the number " + strings.TrimPrefix(strings.TrimPrefix(kind, "invP"), "inv")
	case kind == "map_value":
		text = "a map value"
		if name := attrs["map"]; name != "" {
			text = "a value of map " + name
		}
		if size := attrs["vs"]; size != "" {
			text += " of " + size + " bytes"
		}
		if most := first(attrs, "umax", "umax_value"); most != "" {
			text += ", at an offset of up to " + most
		} else if off := attrs["off"]; off != "" && off != "0" {
			text += ", at offset " + off
		}
	case kind == "ringbuf_mem", kind == "alloc_mem", kind == "mem" && attrs["ref_obj_id"] != "":
		text = "a ring buffer record"
	case kind == "ctx":
		text = "the context"
	case kind == "map_ptr":
		text = "a map"
	case kind == "pkt":
		text = "the packet, of which " + first(attrs, "r", "zero") + " bytes were compared with data_end"
		if attrs["r"] == "" {
			text = "the packet"
		}
	case strings.HasPrefix(kind, "fp"):
		text = "the stack"
	case strings.HasPrefix(kind, "ptr_"), strings.HasPrefix(kind, "trusted_ptr_"), strings.HasPrefix(kind, "rcu_ptr_"), strings.HasPrefix(kind, "untrusted_ptr_"):
		text = "a pointer to the kernel's struct " + kind[strings.Index(kind, "ptr_")+len("ptr_"):]
	default:
		return ""
	}
	return text + orNull
}

var digits = regexp.MustCompile(`^-?(0x)?[0-9a-f]+$`)

// number says what is known of a number's range.
func number(attrs map[string]string) string {
	low := first(attrs, "umin", "umin_value", "smin", "smin_value", "smin32", "umin32")
	high := first(attrs, "umax", "umax_value", "smax", "smax_value", "smax32", "umax32")
	switch {
	case low == "" && high == "":
		return "a number of which nothing is known"
	case low == "" && attrs["umax"] == "" && attrs["umax_value"] == "" && attrs["umax32"] == "":
		return "a number of at most " + high + ", maybe negative"
	case low == "":
		return "a number from 0 to " + high
	case high == "":
		return "a number of at least " + low
	}
	return "a number from " + low + " to " + high
}

// attributes reads smin=smin32=0,umax=100,var_off=(0x0; 0x7f).
func attributes(s string) map[string]string {
	out := map[string]string{}
	for item := range strings.SplitSeq(s, ",") {
		names := strings.Split(item, "=")
		for _, name := range names[:len(names)-1] {
			out[strings.TrimSpace(name)] = names[len(names)-1]
		}
	}
	return out
}

func first(attrs map[string]string, names ...string) string {
	for _, n := range names {
		if v := attrs[n]; v != "" {
			return v
		}
	}
	return ""
}

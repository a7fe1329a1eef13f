package plan

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/schemas"
)

// wellKnown are variables of the gadget headers that get a flag of their own
// when both name and type fit (compat-spec §4.4).
var wellKnown = map[string]struct{ typedef, key, description string }{
	"targ_pid":           {"gadget_pid", "pid", "Show only events of this process id; 0 shows all"},
	"targ_tid":           {"gadget_tid", "tid", "Show only events of this thread id; 0 shows all"},
	"targ_uid":           {"gadget_uid", "uid", "Show only events of this user id; 4294967295 shows all"},
	"targ_gid":           {"gadget_gid", "gid", "Show only events of this group id; 4294967295 shows all"},
	"targ_comm":          {"gadget_comm", "comm", "Show only events of processes with this command name"},
	"collect_ustack":     {"_Bool", "collect-ustack", "Collect user stacks"},
	"collect_build_id":   {"_Bool", "collect-build-id", "Collect build ids of user stacks"},
	"collect_otel_stack": {"_Bool", "collect-otel-stack", "Collect user stacks by the OpenTelemetry profiler"},
}

// NoAddress is the default of an IP parameter that the object leaves empty.
const NoAddress = "0.0.0.0"

// addParam plans the parameter that GADGET_PARAM(variable) declares.
func (p *Plan) addParam(variable string) error {
	v := p.Spec.Variables[variable]
	if v == nil || v.Type == nil {
		return fmt.Errorf("GADGET_PARAM %s: no variable of that name; declare it `const volatile`", variable)
	}
	names, typ := resolve(v.Type.Type)
	param := Param{Variable: variable, Key: variable, Size: int(v.Size())}
	if err := param.setType(typ, names); err != nil {
		return fmt.Errorf("GADGET_PARAM %s: %w", variable, err)
	}
	if w, ok := wellKnown[variable]; ok && slices.Contains(paramTypeNames(typ, names), w.typedef) {
		param.Key, param.Description = w.key, w.description
	}
	own := p.Metadata.Params.EBPF[variable]
	if own.Key != "" {
		param.Key = own.Key
	}
	if own.Description != "" {
		param.Description = own.Description
	}
	param.Alias = own.Alias
	// What gadget.yaml says, users read; the object's own value is for when it
	// says nothing that makes sense.
	param.Default = own.DefaultValue
	if _, err := param.Encode(param.Default); param.Default != "" && err != nil {
		p.Problems = append(p.Problems, schemas.Problem{Severity: schemas.Warning, Pos: own.Pos,
			Message: fmt.Sprintf("default of parameter %s has no effect: %v", variable, err)})
		param.Default = ""
	}
	if param.Default == "" {
		param.Default, _ = param.decode(v)
	}
	if d, ok := p.Metadata.ParamDefaults[strings.ToLower("operator.oci.ebpf."+param.Key)]; ok {
		param.Default = d
	}
	p.Params = append(p.Params, param)
	return nil
}

// paramTypeNames adds the names of an array's elements: targ_comm is an array
// of gadget_comm.
func paramTypeNames(typ btf.Type, names []string) []string {
	if arr, ok := typ.(*btf.Array); ok {
		elem, _ := resolve(arr.Type)
		return append(names, elem...)
	}
	return names
}

func (p *Param) setType(typ btf.Type, names []string) error {
	switch t := typ.(type) {
	case *btf.Array:
		if elem, _ := resolve(t.Type); slices.Contains(elem, "char") {
			p.Type = "string"
			return nil
		}
	case *btf.Struct:
		if t.Name == l3EndpointStruct {
			p.Type = "ip"
			return nil
		}
	}
	types := map[event.Kind]string{
		event.Bool: "bool", event.Int8: "int8", event.Int16: "int16", event.Int32: "int32",
		event.Int64: "int64", event.Uint8: "uint8", event.Uint16: "uint16", event.Uint32: "uint32",
		event.Uint64: "uint64", event.Float32: "float32", event.Float64: "float64",
	}
	kind, _ := scalarKind(typ)
	if p.Type = types[kind]; p.Type == "" {
		return fmt.Errorf("type %s cannot be a parameter; use an integer, bool, float, char array or struct %s",
			strings.Join(names, " "), l3EndpointStruct)
	}
	return nil
}

// decode returns the value in the object as text; false for types whose value
// in the object means nothing to a user.
func (p *Param) decode(v *ebpf.VariableSpec) (string, bool) {
	raw := make([]byte, 8)
	if len(v.Value) > 8 {
		return map[string]string{"ip": NoAddress}[p.Type], p.Type == "ip"
	}
	copy(raw, v.Value)
	u := binary.NativeEndian.Uint64(raw)
	switch p.Type {
	case "bool":
		return strconv.FormatBool(u != 0), true
	case "int8", "int16", "int32", "int64":
		shift := 64 - 8*p.Size
		return strconv.FormatInt(int64(u)<<shift>>shift, 10), true
	case "uint8", "uint16", "uint32", "uint64":
		return strconv.FormatUint(u, 10), true
	case "float32":
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(u))), 'g', -1, 32), true
	case "float64":
		return strconv.FormatFloat(math.Float64frombits(u), 'g', -1, 64), true
	}
	return "", false
}

// Encode turns a user's text into the bytes of the variable, in native byte
// order. The error names what would have been right.
func (p *Param) Encode(text string) ([]byte, error) {
	out := make([]byte, p.Size)
	bits := 8 * p.Size
	switch p.Type {
	case "bool":
		v, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("--%s: %q is not true or false", p.Key, text)
		}
		if v {
			out[0] = 1
		}
	case "string":
		if len(text) > p.Size {
			return nil, fmt.Errorf("--%s: %q is longer than %d bytes", p.Key, text, p.Size)
		}
		copy(out, text)
	case "ip":
		return p.encodeIP(text)
	case "float32", "float64":
		v, err := strconv.ParseFloat(text, bits)
		if err != nil {
			return nil, fmt.Errorf("--%s: %q is not a number", p.Key, text)
		}
		if p.Size == 4 {
			binary.NativeEndian.PutUint32(out, math.Float32bits(float32(v)))
		} else {
			binary.NativeEndian.PutUint64(out, math.Float64bits(v))
		}
	case "int8", "int16", "int32", "int64":
		v, err := strconv.ParseInt(text, 0, bits)
		if err != nil {
			return nil, fmt.Errorf("--%s: %q is not a whole number from %d to %d", p.Key, text, int64(-1)<<(bits-1), int64(1)<<(bits-1)-1)
		}
		putInt(out, uint64(v))
	default:
		v, err := strconv.ParseUint(text, 0, bits)
		if err != nil {
			return nil, fmt.Errorf("--%s: %q is not a whole number from 0 to %d", p.Key, text, ^uint64(0)>>(64-bits))
		}
		putInt(out, v)
	}
	return out, nil
}

func putInt(out []byte, v uint64) {
	var raw [8]byte
	binary.NativeEndian.PutUint64(raw[:], v)
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		copy(out, raw[:])
		return
	}
	copy(out, raw[8-len(out):])
}

// encodeIP writes a struct gadget_l3endpoint_t: the address, then the version.
func (p *Param) encodeIP(text string) ([]byte, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || p.Size <= l3VersionOffset || addr.Zone() != "" {
		return nil, fmt.Errorf("--%s: %q is not an IPv4 or IPv6 address", p.Key, text)
	}
	out := make([]byte, p.Size)
	copy(out, addr.AsSlice())
	out[l3VersionOffset] = 6
	if addr.Is4() {
		out[l3VersionOffset] = 4
	}
	return out, nil
}

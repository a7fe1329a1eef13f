package plan

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"regexp"
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

// Scopes of parameters (compat-spec §5.2).
const (
	programScope = "operator.oci.ebpf"
	customScope  = "custom"
)

// FullName is the name of the parameter among those of all operators, as in
// paramDefaults: operator.oci.ebpf.pid, custom.level.
func (p *Param) FullName() string { return p.Scope + "." + p.Key }

// Custom reports whether the parameter is one of params.custom: it patches the
// metadata before that is planned ([schemas.Metadata.Patched]).
func (p *Param) Custom() bool { return p.Scope == customScope }

// NoAddress is the default of an IP parameter that the object leaves empty.
const NoAddress = "0.0.0.0"

// addParam plans the parameter that GADGET_PARAM(variable) declares.
func (p *Plan) addParam(variable string) error {
	v := p.Spec.Variables[variable]
	if v == nil || v.Type == nil {
		return fmt.Errorf("GADGET_PARAM %s: no variable of that name; declare it `const volatile`", variable)
	}
	names, typ := resolve(v.Type.Type)
	param := Param{Scope: programScope, Variable: variable, Key: variable, Size: int(v.Size())}
	if err := param.setType(typ, names); err != nil {
		return fmt.Errorf("GADGET_PARAM %s: %w", variable, err)
	}
	if w, ok := wellKnown[variable]; ok && slices.Contains(paramTypeNames(typ, names), w.typedef) {
		param.Key, param.Description = w.key, w.description
	}
	own := p.Metadata.Params.EBPF[variable]
	if p.isKey(own.Key, own) {
		param.Key = own.Key
	}
	p.describe(&param, own)
	// What gadget.yaml says, users read; the object's own value is for when it
	// says nothing that makes sense.
	if param.Default == "" {
		param.Default, _ = param.decode(v)
	}
	p.Params = append(p.Params, param)
	return nil
}

// addCustomParams plans the parameters of params.custom that patch the metadata,
// in the order of the file.
func (p *Plan) addCustomParams() {
	custom := p.Metadata.Params.Custom
	names := slices.SortedFunc(maps.Keys(custom), func(a, b string) int {
		return cmp.Or(cmp.Compare(custom[a].Pos.Line, custom[b].Pos.Line), cmp.Compare(a, b))
	})
	for _, name := range names {
		own := custom[name]
		if !own.Patches() || !p.isKey(name, own) {
			continue
		}
		param := Param{Scope: customScope, Key: name, Type: cmp.Or(own.Type, "string")}
		p.describe(&param, own)
		p.Params = append(p.Params, param)
	}
}

// flagName is what can be the name of a flag.
var flagName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// isKey reports whether gadget.yaml gives a parameter a name, and notes one that
// nobody could type.
func (p *Plan) isKey(key string, own schemas.Param) bool {
	if key != "" && !flagName.MatchString(key) {
		p.Problems = append(p.Problems, schemas.Problem{Severity: schemas.Error, Pos: own.Pos,
			Message: fmt.Sprintf("%q cannot be the name of a parameter", key), Hint: "use letters, digits, - and _"})
		return false
	}
	return key != ""
}

// describe completes a parameter with what gadget.yaml says of it. A default that
// makes no sense is none.
func (p *Plan) describe(param *Param, own schemas.Param) {
	param.Description = cmp.Or(own.Description, own.Title, param.Description)
	param.Alias, param.ValueHint, param.Possible = own.Alias, own.ValueHint, own.PossibleValues
	if p.isKey(own.AlternativeKey, own) {
		param.AlternativeKey = own.AlternativeKey
	}
	for _, d := range []struct{ text, where string }{
		{p.Metadata.ParamDefaults[strings.ToLower(param.FullName())], "paramDefaults"},
		{own.DefaultValue, "defaultValue"},
	} {
		if d.text == "" {
			continue
		}
		if err := param.Check(d.text); err != nil {
			p.Problems = append(p.Problems, schemas.Problem{Severity: schemas.Warning, Pos: own.Pos,
				Message: fmt.Sprintf("%s of parameter %s has no effect: %v", d.where, param.Key, err)})
			continue
		}
		param.Default = d.text
		break
	}
	param.Mandatory = own.IsMandatory && param.Default == ""
}

// SizeParam is the parameter that sets the size of a map, nil when there is none.
func (p *Plan) SizeParam(mapName string) *Param {
	for i := range p.Params {
		if p.Params[i].Variable == mapName+maxEntriesSuffix {
			return &p.Params[i]
		}
	}
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

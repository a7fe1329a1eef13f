package plan

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gadget-bpf/gadget/schemas"
)

// Check says what is wrong with a user's text for the parameter: the text, and
// what would have been right.
func (p *Param) Check(text string) error {
	if len(p.Possible) > 0 && !p.takes(text) {
		hint := schemas.DidYouMean(text, p.Possible)
		if hint != "" {
			hint = "; " + hint
		}
		return fmt.Errorf("%q is not one of %s%s", text, strings.Join(p.Possible, ", "), hint)
	}
	_, err := p.Encode(text)
	return err
}

// takes reports whether text is one of the possible values. Those of custom
// parameters are keys of gadget.yaml, whose letter case does not count.
func (p *Param) takes(text string) bool {
	return slices.Contains(p.Possible, text) ||
		p.Custom() && slices.ContainsFunc(p.Possible, func(v string) bool { return strings.EqualFold(v, text) })
}

// Encode turns a user's text into the bytes of the variable, in native byte
// order; without a variable there are no bytes. The error has the text and says what
// would have been right.
func (p *Param) Encode(text string) ([]byte, error) {
	switch p.Type {
	case "bool":
		v, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not true or false", text)
		}
		return p.number(truth(v)), nil
	case "float32", "float64":
		return p.encodeFloat(text)
	case "int", "int8", "int16", "int32", "int64":
		return p.encodeInt(text)
	case "uint", "uint8", "uint16", "uint32", "uint64":
		return p.encodeUint(text)
	case "ip":
		return p.encodeIP(text)
	case "duration":
		if _, err := time.ParseDuration(text); err != nil {
			return nil, fmt.Errorf("%q is not a duration such as 500ms or 2s", text)
		}
	}
	if p.Variable == "" {
		return nil, nil
	}
	if len(text) > p.Size {
		return nil, fmt.Errorf("%q is longer than %d bytes", text, p.Size)
	}
	return append([]byte(text), make([]byte, p.Size-len(text))...), nil
}

// bits of a numeric type: uint8 has 8, int 64.
func (p *Param) bits() int {
	digits := strings.TrimLeft(p.Type, "abcdefghijklmnopqrstuvwxyz")
	if n, err := strconv.Atoi(digits); err == nil {
		return n
	}
	return 64
}

func (p *Param) encodeInt(text string) ([]byte, error) {
	bits := p.bits()
	v, err := strconv.ParseInt(text, 0, bits)
	if err != nil {
		return nil, fmt.Errorf("%q is not a whole number from %d to %d", text, int64(-1)<<(bits-1), int64(1)<<(bits-1)-1)
	}
	return p.number(uint64(v)), nil
}

func (p *Param) encodeUint(text string) ([]byte, error) {
	bits := p.bits()
	v, err := strconv.ParseUint(text, 0, bits)
	if err != nil {
		return nil, fmt.Errorf("%q is not a whole number from 0 to %d", text, ^uint64(0)>>(64-bits))
	}
	return p.number(v), nil
}

func (p *Param) encodeFloat(text string) ([]byte, error) {
	v, err := strconv.ParseFloat(text, p.bits())
	if err != nil {
		return nil, fmt.Errorf("%q is not a number that a %s holds, such as 0.5 or 1e3", text, p.Type)
	}
	if p.bits() == 32 {
		return p.number(uint64(math.Float32bits(float32(v)))), nil
	}
	return p.number(math.Float64bits(v)), nil
}

// number returns the lowest bytes of v, as many as the variable has.
func (p *Param) number(v uint64) []byte {
	var raw [8]byte
	binary.NativeEndian.PutUint64(raw[:], v)
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return slices.Clone(raw[:p.Size])
	}
	return slices.Clone(raw[8-p.Size:])
}

func truth(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// encodeIP writes a struct gadget_l3endpoint_t: the address, then the version.
func (p *Param) encodeIP(text string) ([]byte, error) {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return nil, fmt.Errorf("%q is not an IPv4 or IPv6 address", text)
	}
	if p.Variable == "" {
		return nil, nil
	}
	if p.Size <= l3VersionOffset {
		return nil, fmt.Errorf("variable %s is too small for an address", p.Variable)
	}
	out := make([]byte, p.Size)
	copy(out, addr.AsSlice())
	out[l3VersionOffset] = 6
	if addr.Is4() {
		out[l3VersionOffset] = 4
	}
	return out, nil
}

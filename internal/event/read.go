package event

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
)

// Class says how the value of a Field reads to a program: which of Uint, Int,
// Float, Bool and Bytes gives it, and what it is in JSON.
type Class uint8

// Classes of values.
const (
	// None is the class of fields without a value.
	None Class = iota
	Boolean
	// Signed and Unsigned are integers.
	Signed
	Unsigned
	Floating
	// Text is everything else, Bytes in hexadecimal included.
	Text
)

// Class of the field's value, of one element when the field is an array.
func (f *Field) Class() Class {
	switch f.Kind {
	case Invalid:
		return None
	case Bool:
		return Boolean
	case Int8, Int16, Int32, Int64, WallTime:
		return Signed
	case Uint8, Uint16, Uint32, Uint64:
		return Unsigned
	case Float32, Float64:
		return Floating
	case FromContainer:
		return f.Attr.class()
	}
	return Text
}

func (a ContainerAttr) class() Class {
	switch a {
	case K8sHostNetwork:
		return Boolean
	case RuntimeContainerPID:
		return Unsigned
	case RuntimeStartedAt:
		return Signed
	}
	return Text
}

// Element is the i-th element of an array field as a field of its own, nil when
// there is no such element. It allocates; call it ahead of time.
func (f *Field) Element(i int) *Field {
	if i < 0 || i >= f.Count {
		return nil
	}
	e := *f
	e.Size = f.width()
	e.Offset += i * e.Size
	e.Count = 0
	return &e
}

// Uint reads the field's integer as it lies in the record, sign-extended to 64
// bits when it is signed. It is 0 when the record is too short or the field is
// not made of an integer. WallTime and Timestamp give the CLOCK_BOOTTIME value,
// see [Env.Wall].
func (f *Field) Uint(rec *Record) uint64 {
	if f.Kind == FromContainer {
		return f.Attr.number(rec.Container)
	}
	return f.uintAt(rec, 0)
}

// uintAt is Uint of the i-th element of an array.
func (f *Field) uintAt(rec *Record, i int) uint64 {
	w := f.width()
	v := load(rec.Raw, f.Offset+i*w, w)
	if f.signed() {
		shift := uint(64 - 8*w)
		return uint64(int64(v<<shift) >> shift)
	}
	return v
}

// Int is [Field.Uint] in two's complement.
func (f *Field) Int(rec *Record) int64 { return int64(f.Uint(rec)) }

// Float reads a floating point field, 0 for any other.
func (f *Field) Float(rec *Record) float64 {
	return f.float(load(rec.Raw, f.Offset, f.width()))
}

// float is the float that v, as Uint gives it, stands for.
func (f *Field) float(v uint64) float64 {
	switch f.Kind {
	case Float32:
		return float64(math.Float32frombits(uint32(v)))
	case Float64:
		return math.Float64frombits(v)
	}
	return 0
}

// Bool is true when the field's integer is not 0.
func (f *Field) Bool(rec *Record) bool { return f.Uint(rec) != 0 }

// Bytes is a view on the bytes of a CString, Bytes, Rest or Added field, nil for
// others. It is valid as long as the record. CString and RestString end before
// the first NUL, RestArgs keeps the NULs between the arguments.
func (f *Field) Bytes(rec *Record) []byte {
	switch f.Kind {
	case CString:
		return untilNUL(window(rec.Raw, f.Offset, f.Size))
	case Bytes:
		return window(rec.Raw, f.Offset, f.Size)
	case RestString:
		return untilNUL(f.rest(rec.Raw))
	case RestBytes, RestArgs:
		return f.rest(rec.Raw)
	case Added:
		if f.Slot >= 0 && f.Slot < len(rec.Added) {
			return rec.Added[f.Slot]
		}
	}
	return nil
}

func (f *Field) rest(raw []byte) []byte {
	n := len(raw)
	if f.HasLen {
		n = int(load(raw, f.LenOffset, 4))
	}
	return window(raw, f.Offset, n)
}

// width of one integer or float in bytes.
func (f *Field) width() int {
	switch f.Kind {
	case Bool, Int8, Uint8:
		return 1
	case Int16, Uint16:
		return 2
	case Int32, Uint32, Float32:
		return 4
	case Int64, Uint64, Float64:
		return 8
	}
	size := f.Size
	if f.Count > 0 {
		size /= f.Count
	}
	switch size {
	case 1, 2, 4, 8:
		return size
	}
	switch f.Kind {
	case WallTime, Timestamp, Syscall, HumanSize, Duration, CPUTime:
		return 8
	}
	return 4
}

func (f *Field) signed() bool {
	switch f.Kind {
	case Int8, Int16, Int32, Int64:
		return true
	case EnumName, EnumSet:
		return f.Signed
	}
	return false
}

// load reads an integer of 1, 2, 4 or 8 bytes; one that is not all there is 0.
// Every read of a number goes through here or through window, so that no layout
// and no record can make a reader panic.
func load(raw []byte, off, width int) uint64 {
	if off < 0 || off > len(raw)-width {
		return 0
	}
	switch b := raw[off:]; width {
	case 8:
		return binary.NativeEndian.Uint64(b)
	case 4:
		return uint64(binary.NativeEndian.Uint32(b))
	case 2:
		return uint64(binary.NativeEndian.Uint16(b))
	case 1:
		return uint64(b[0])
	}
	return 0
}

// window is raw[off:off+n], cut to what there is.
func window(raw []byte, off, n int) []byte {
	if off < 0 || n <= 0 || off >= len(raw) {
		return nil
	}
	return raw[off : off+min(n, len(raw)-off)]
}

func untilNUL(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

// Wall turns a CLOCK_BOOTTIME value into nanoseconds since the Unix epoch.
func (e *Env) Wall(boot uint64) int64 { return int64(boot) + e.BootToWall }

// number is the value of a numeric or boolean attribute, 0 for others and
// without a container.
func (a ContainerAttr) number(c *Container) uint64 {
	if c == nil {
		return 0
	}
	switch a {
	case RuntimeContainerPID:
		return uint64(c.PID)
	case RuntimeStartedAt:
		return uint64(c.StartedAt)
	case K8sHostNetwork:
		if c.HostNetwork {
			return 1
		}
	}
	return 0
}

// text is the value of a text attribute, "" for others and without a container.
func (a ContainerAttr) text(c *Container) string {
	if c == nil {
		return ""
	}
	switch a {
	case K8sNode:
		return c.Node
	case K8sNamespace:
		return c.Namespace
	case K8sPodName:
		return c.Pod
	case K8sContainerName:
		return c.PodContainer
	case K8sPodLabels:
		return c.PodLabels
	case K8sOwnerKind:
		return c.OwnerKind
	case K8sOwnerName:
		return c.OwnerName
	case RuntimeContainerName:
		return c.Name
	case RuntimeName:
		return c.Runtime
	case RuntimeContainerID:
		return c.ID
	case RuntimeImageName:
		return c.Image
	case RuntimeImageDigest:
		return c.ImageDigest
	case RuntimeLabels:
		return c.LabelText
	case RuntimeStatus:
		return c.Status
	case K8sKind:
		if c.Pod != "" {
			return "pod"
		}
	}
	return ""
}

// value finds the name of a number among the enumerators that fit in bits.
func (e *Enum) value(v uint64, bits int) (string, bool) {
	if e == nil {
		return "", false
	}
	mask := ^uint64(0) >> uint(64-bits)
	i := slices.IndexFunc(e.Values, func(ev EnumValue) bool { return ev.Value&mask == v&mask })
	if i < 0 {
		return "", false
	}
	return e.Values[i].Name, true
}

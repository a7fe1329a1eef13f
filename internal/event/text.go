package event

import (
	"math"
	"strconv"
	"time"
)

// Formatter turns fields into text. It remembers the second it formatted last,
// so it belongs to one goroutine.
type Formatter struct {
	env   *Env
	clock clock
}

// NewFormatter returns a Formatter for env; nil stands for the zero Env. All but
// the Location is read anew for each value, so the goroutine that formats may
// change it in between, when the clock has been set for example.
func NewFormatter(env *Env) *Formatter {
	if env == nil {
		env = &Env{}
	}
	t := &Formatter{env: env}
	t.clock.location = env.Location
	if t.clock.location == nil {
		t.clock.location = time.UTC
	}
	return t
}

// Append appends the value of f as text: numbers in decimal, formatted kinds as
// people read them, arrays as [1,2,3]. Text that comes from the record is as the
// record has it, control bytes included. It allocates nothing.
func (t *Formatter) Append(dst []byte, f *Field, rec *Record) []byte {
	if f.numeric() {
		if f.Count > 0 {
			return t.appendArray(dst, f, rec)
		}
		return t.appendNumber(dst, f, f.Uint(rec))
	}
	switch f.Kind {
	case CString, RestString, Added:
		return append(dst, f.Bytes(rec)...)
	case Bytes, RestBytes:
		return AppendHex(dst, f.Bytes(rec))
	case RestArgs:
		return AppendArgs(dst, f.Bytes(rec))
	case L3Addr, L4Addr:
		return AppendAddr(dst, f.Addr(rec))
	case L4Proto:
		return AppendProtocol(dst, f.proto(rec))
	case L4Endpoint:
		return AppendEndpoint(dst, f.Addr(rec), f.port(rec))
	case FromContainer:
		return f.Attr.append(dst, rec.Container)
	case Unit:
		unit, _ := t.place(f, rec)
		return append(dst, unit...)
	case Cgroup:
		_, cgroup := t.place(f, rec)
		return append(dst, cgroup...)
	case PeerName:
		return t.appendPeer(dst, f, rec)
	case FromPeer:
		return f.Attr.append(dst, t.peer(f, rec))
	case Constant:
		return append(dst, f.Format...)
	case EnvVar:
		return append(dst, t.env.Vars[f.Format]...)
	}
	return dst
}

func (t *Formatter) appendArray(dst []byte, f *Field, rec *Record) []byte {
	dst = append(dst, '[')
	for i := range f.elements(rec) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = t.appendNumber(dst, f, f.uintAt(rec, i))
	}
	return append(dst, ']')
}

// elements of an array that are in the record.
func (f *Field) elements(rec *Record) int {
	if f.Offset < 0 {
		return 0
	}
	return min(f.Count, max(0, (len(rec.Raw)-f.Offset)/f.width()))
}

// appendNumber appends v, which is what Field.Uint gives for f, as f reads.
func (t *Formatter) appendNumber(dst []byte, f *Field, v uint64) []byte {
	switch f.Kind {
	case Bool:
		return strconv.AppendBool(dst, v != 0)
	case Int8, Int16, Int32, Int64:
		return strconv.AppendInt(dst, int64(v), 10)
	case Uint8, Uint16, Uint32, Uint64:
		return strconv.AppendUint(dst, v, 10)
	case Float32:
		return appendFloat(dst, f.float(v), 32)
	case Float64:
		return appendFloat(dst, f.float(v), 64)
	case WallTime:
		return strconv.AppendInt(dst, t.env.Wall(v), 10)
	case Timestamp:
		return t.clock.append(dst, t.env.Wall(v), f.Format)
	case Errno:
		return AppendErrno(dst, uint32(v))
	case Signal:
		return AppendSignal(dst, uint32(v))
	case Syscall:
		return AppendSyscall(dst, v)
	case FileMode:
		return AppendFileMode(dst, uint32(v))
	case FileFlags:
		return AppendFileFlags(dst, uint32(v))
	case HumanSize:
		return AppendSize(dst, v)
	case Duration:
		return AppendDuration(dst, v)
	case CPUTime:
		return AppendCPUTime(dst, v)
	case User:
		return appendID(dst, t.env.UserName, "uid:", uint32(v))
	case Group:
		return appendID(dst, t.env.GroupName, "gid:", uint32(v))
	case EnumName:
		return AppendEnum(dst, f.Enum, v, 8*f.width())
	case EnumSet:
		return AppendEnumSet(dst, f.Enum, v, f.separator())
	}
	return dst
}

func (f *Field) separator() string {
	if f.Format == "" {
		return "|"
	}
	return f.Format
}

// numeric is true for fields that are made of one number in the record, or of
// an array of them.
func (f *Field) numeric() bool {
	return Bool <= f.Kind && f.Kind <= Float64 || WallTime <= f.Kind && f.Kind <= EnumSet
}

func appendID(dst []byte, names func(uint32) string, prefix string, id uint32) []byte {
	name := ""
	if names != nil {
		name = names(id)
	}
	return appendNamed(dst, name, prefix, uint64(id))
}

// appendFloat prints the shortest text that reads back to v, with an exponent
// only for very large and very small numbers, as JSON does.
func appendFloat(dst []byte, v float64, bits int) []byte {
	if v == 0 {
		return append(dst, '0') // the sign of a zero is a nuisance to readers
	}
	format := byte('f')
	if abs := math.Abs(v); abs < 1e-6 || abs >= 1e21 {
		format = 'e'
	}
	return strconv.AppendFloat(dst, v, format, -1, bits)
}

func (a ContainerAttr) append(dst []byte, c *Container) []byte {
	switch a.class() {
	case Boolean:
		return strconv.AppendBool(dst, a.number(c) != 0)
	case Signed, Unsigned:
		return strconv.AppendInt(dst, int64(a.number(c)), 10)
	}
	return append(dst, a.text(c)...)
}

// clock formats times. Everything but the nine digits changes once a second only.
type clock struct {
	location *time.Location
	second   int64
	// date is all up to the decimal point, zone what follows the digits; date is
	// empty until the first use.
	date, zone []byte
}

// append appends nanoseconds since the Unix epoch in RFC 3339 with nine digits,
// or in the given layout of package time.
func (c *clock) append(dst []byte, ns int64, layout string) []byte {
	second, frac := ns/1e9, ns%1e9
	if frac < 0 {
		second, frac = second-1, frac+1e9
	}
	if layout != "" {
		return time.Unix(second, frac).In(c.location).AppendFormat(dst, layout)
	}
	if second != c.second || len(c.date) == 0 {
		t := time.Unix(second, 0).In(c.location)
		c.second = second
		c.date = t.AppendFormat(c.date[:0], "2006-01-02T15:04:05.")
		c.zone = t.AppendFormat(c.zone[:0], "Z07:00")
	}
	dst = append(dst, c.date...)
	dst = appendNine(dst, uint32(frac))
	return append(dst, c.zone...)
}

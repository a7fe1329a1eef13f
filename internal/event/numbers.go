package event

import (
	"encoding/hex"
	"net/netip"
	"strconv"
)

// AppendSize appends a number of bytes in SI units with two digits at least: 0 B,
// 999 B, 1.2 MB, 82 kB.
func AppendSize(dst []byte, n uint64) []byte {
	if n < 10 {
		return append(dst, byte('0'+n), ' ', 'B')
	}
	const units = "BkMGTPE"
	unit, i := uint64(1), 0
	for n/unit >= 1000 {
		unit *= 1000
		i++
	}
	// Rounded to one decimal first and then to the digits shown, as the peer does.
	tenths := uint64(float64(n)/float64(unit)*10 + 0.5)
	decimals := 0
	if tenths < 100 {
		decimals = 1
	}
	dst = strconv.AppendFloat(dst, float64(tenths)/10, 'f', decimals, 64)
	dst = append(dst, ' ', units[i])
	if i > 0 {
		dst = append(dst, 'B')
	}
	return dst
}

// AppendDuration appends nanoseconds: 17ns, 1.20µs, 3.05ms, and from one second
// on as time.Duration prints them, 1m0.5s.
func AppendDuration(dst []byte, ns uint64) []byte {
	switch {
	case ns < 1e3:
		return append(strconv.AppendUint(dst, ns, 10), "ns"...)
	case ns < 1e6:
		return append(strconv.AppendFloat(dst, float64(ns)/1e3, 'f', 2, 64), "µs"...)
	case ns < 1e9:
		return append(strconv.AppendFloat(dst, float64(ns)/1e6, 'f', 2, 64), "ms"...)
	}
	seconds := ns / 1e9
	if h := seconds / 3600; h > 0 {
		dst = append(strconv.AppendUint(dst, h, 10), 'h')
	}
	if m := seconds / 60; m > 0 {
		dst = append(strconv.AppendUint(dst, m%60, 10), 'm')
	}
	dst = strconv.AppendUint(dst, seconds%60, 10)
	if frac := ns % 1e9; frac > 0 {
		dst = append(dst, '.')
		dst = appendNine(dst, uint32(frac))
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
	}
	return append(dst, 's')
}

// AppendCPUTime appends nanoseconds of processor time as minutes, seconds and
// thousandths, as top does: 0:00.710, 125:03.000.
func AppendCPUTime(dst []byte, ns uint64) []byte {
	ms := ns / 1e6
	dst = append(strconv.AppendUint(dst, ms/60_000, 10), ':')
	s := ms / 1000 % 60
	dst = append(dst, byte('0'+s/10), byte('0'+s%10), '.')
	ms %= 1000
	return append(dst, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// appendNine appends n < 1e9 as nine digits.
func appendNine(dst []byte, n uint32) []byte {
	var digits [9]byte
	for i := 7; i > 0; i -= 2 {
		two := n % 100
		n /= 100
		digits[i], digits[i+1] = byte('0'+two/10), byte('0'+two%10)
	}
	digits[0] = byte('0' + n)
	return append(dst, digits[:]...)
}

// AppendFileMode appends a mode as Go's fs.FileMode prints it, whose type bits
// are the highest and not those of Linux: a regular file's 0644 is -rw-r--r--,
// and so is S_IFDIR|0644.
func AppendFileMode(dst []byte, mode uint32) []byte {
	const kinds, permissions = "dalTLDpSugct?", "rwxrwxrwx"
	start := len(dst)
	for i := range len(kinds) {
		if mode&(1<<(31-i)) != 0 {
			dst = append(dst, kinds[i])
		}
	}
	if len(dst) == start {
		dst = append(dst, '-')
	}
	for i := range len(permissions) {
		c := byte('-')
		if mode&(1<<(8-i)) != 0 {
			c = permissions[i]
		}
		dst = append(dst, c)
	}
	return dst
}

// openFlags of open(2) with x86 values on all architectures, as in the peer's
// output.
var openFlags = [...]struct {
	bit  uint32
	name string
}{
	{0o100, "|O_CREAT"}, {0o200, "|O_EXCL"}, {0o400, "|O_NOCTTY"}, {0o1000, "|O_TRUNC"},
	{0o2000, "|O_APPEND"}, {0o4000, "|O_NONBLOCK"}, {0o10000, "|O_DSYNC"}, {0o20000, "|O_FASYNC"},
	{0o40000, "|O_DIRECT"}, {0o100000, "|O_LARGEFILE"}, {0o200000, "|O_DIRECTORY"},
	{0o400000, "|O_NOFOLLOW"}, {0o1000000, "|O_NOATIME"}, {0o2000000, "|O_CLOEXEC"},
}

// AppendFileFlags appends the flags of open(2), the access mode first:
// O_WRONLY|O_CREAT|O_TRUNC. Unknown bits are left out.
func AppendFileFlags(dst []byte, flags uint32) []byte {
	access := [4]string{"O_RDONLY", "O_WRONLY", "O_RDWR", "O_WRONLY|O_RDWR"}
	dst = append(dst, access[flags&3]...)
	for _, f := range openFlags {
		if flags&f.bit != 0 {
			dst = append(dst, f.name...)
		}
	}
	return dst
}

// AppendHex appends bytes in lower case hexadecimal.
func AppendHex(dst, b []byte) []byte { return hex.AppendEncode(dst, b) }

// Offsets in struct gadget_l3endpoint_t and gadget_l4endpoint_t.
const (
	endpointAddrSize  = 16
	endpointPort      = 16
	endpointProto     = 18
	endpointL3Version = 16
	endpointL4Version = 20
)

// Addr is the address of an L3Addr, L4Addr or L4Endpoint field. It is the zero
// Addr for other fields and when the record's IP version is neither 4 nor 6. An
// IPv4 address mapped into IPv6 comes out as IPv4.
func (f *Field) Addr(rec *Record) netip.Addr {
	version := endpointL4Version
	switch f.Kind {
	case L3Addr:
		version = endpointL3Version
	case L4Addr, L4Endpoint:
	default:
		return netip.Addr{}
	}
	b := window(rec.Raw, f.Offset, endpointAddrSize)
	if len(b) < endpointAddrSize {
		return netip.Addr{}
	}
	switch load(rec.Raw, f.Offset+version, 1) {
	case 4:
		return netip.AddrFrom4([4]byte(b[:4]))
	case 6:
		return netip.AddrFrom16([16]byte(b)).Unmap()
	}
	return netip.Addr{}
}

// AppendAddr appends an address, nothing for the zero Addr.
func AppendAddr(dst []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return dst
	}
	return a.AppendTo(dst)
}

// AppendEndpoint appends address:port, with brackets around IPv6 so that the port
// can be told from the address, and nothing for the zero Addr.
func AppendEndpoint(dst []byte, a netip.Addr, port uint16) []byte {
	if !a.IsValid() {
		return dst
	}
	return netip.AddrPortFrom(a, port).AppendTo(dst)
}

// AppendArgs appends an argument vector, NUL after each argument but perhaps the
// last, as one line with a space between arguments.
//
// An argument that is empty, holds a space or a control byte, or begins with a
// double quote is put between double quotes, with \" \\ \n \r \t and \xNN inside.
// All others are as they are. A reader that takes an argument as quoted if and
// only if it begins with a double quote gets back exactly the arguments, while
// the usual line is what plain joining gives.
func AppendArgs(dst, argv []byte) []byte {
	for first := true; len(argv) > 0; first = false {
		arg := untilNUL(argv)
		argv = argv[min(len(arg)+1, len(argv)):]
		if !first {
			dst = append(dst, ' ')
		}
		if plainArg(arg) {
			dst = append(dst, arg...)
		} else {
			dst = quoteArg(dst, arg)
		}
	}
	return dst
}

func plainArg(arg []byte) bool {
	if len(arg) == 0 || arg[0] == '"' {
		return false
	}
	for _, c := range arg {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

func quoteArg(dst, arg []byte) []byte {
	dst = append(dst, '"')
	for _, c := range arg {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c == 0x7f:
			dst = appendControl(dst, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// appendControl appends a control byte as \n, \r, \t or \xNN.
func appendControl(dst []byte, c byte) []byte {
	switch c {
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

const hexDigits = "0123456789abcdef"

// port and proto of an l4 endpoint.
func (f *Field) port(rec *Record) uint16 {
	return uint16(load(rec.Raw, f.Offset+endpointPort, 2))
}

func (f *Field) proto(rec *Record) uint16 {
	return uint16(load(rec.Raw, f.Offset+endpointProto, 2))
}

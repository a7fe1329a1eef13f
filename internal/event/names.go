package event

import (
	"runtime"
	"strconv"
	"strings"
	"sync"
)

//go:generate go run names_gen.go

var (
	errnoNames  = sync.OnceValue(func() []string { return decodeTable(errnoTable) })
	signalNames = sync.OnceValue(func() []string { return decodeTable(signalTable) })
	// syscallNames are those of the machine that the program runs on.
	syscallNames = sync.OnceValue(func() []string { return syscallsOf(runtime.GOARCH) })
)

func syscallsOf(arch string) []string {
	switch arch {
	case "amd64":
		return decodeTable(syscallTableAMD64)
	case "arm64":
		return decodeTable(syscallTableARM64)
	}
	return nil
}

// decodeTable makes a slice, indexed by number, of a generated table: words are
// names in the order of their numbers, =N sets the number of the next one.
func decodeTable(table string) []string {
	var names []string
	next := 0
	for word := range strings.FieldsSeq(table) {
		if n, ok := strings.CutPrefix(word, "="); ok {
			next, _ = strconv.Atoi(n)
			continue
		}
		names = append(names, make([]string, next-len(names))...)
		names = append(names, word)
		next++
	}
	return names
}

func lookup(names []string, n uint64) string {
	if n < uint64(len(names)) {
		return names[n]
	}
	return ""
}

// AppendErrno appends the name of an errno, such as ENOENT; nothing for 0 and
// error#N for an unknown one.
func AppendErrno(dst []byte, errno uint32) []byte {
	if errno == 0 {
		return dst
	}
	return appendNamed(dst, lookup(errnoNames(), uint64(errno)), "error#", uint64(errno))
}

// AppendSignal appends the name of a signal, such as SIGKILL; signal#N for one
// without a name, 0 and real-time signals among them.
func AppendSignal(dst []byte, signal uint32) []byte {
	return appendNamed(dst, lookup(signalNames(), uint64(signal)), "signal#", uint64(signal))
}

// AppendSyscall appends the name of a system call of this machine, such as
// SYS_OPENAT; SYS_UNKNOWN when there is none.
func AppendSyscall(dst []byte, nr uint64) []byte {
	dst = append(dst, "SYS_"...)
	if name := lookup(syscallNames(), nr); name != "" {
		return append(dst, name...)
	}
	return append(dst, "UNKNOWN"...)
}

// AppendEnum appends the name of a number in e, UNKNOWN when there is none. bits
// is the width of the number, 8 to 64.
func AppendEnum(dst []byte, e *Enum, v uint64, bits int) []byte {
	if name, ok := e.value(v, bits); ok {
		return append(dst, name...)
	}
	return append(dst, "UNKNOWN"...)
}

// AppendEnumSet appends the names of all enumerators whose bits are set in v,
// with sep between them. An enumerator of value 0 is named when v is 0 only.
func AppendEnumSet(dst []byte, e *Enum, v uint64, sep string) []byte {
	if e == nil {
		return dst
	}
	start := len(dst)
	for _, ev := range e.Values {
		if ev.Value&v != ev.Value || (ev.Value == 0 && v != 0) {
			continue
		}
		if len(dst) > start {
			dst = append(dst, sep...)
		}
		dst = append(dst, ev.Name...)
	}
	return dst
}

// AppendProtocol appends the IANA name of an IP protocol, such as TCP; proto#N
// for one that Linux does not speak.
func AppendProtocol(dst []byte, proto uint16) []byte {
	return appendNamed(dst, protocolName(proto), "proto#", uint64(proto))
}

func protocolName(proto uint16) string {
	switch proto {
	case 0:
		return "HOPOPT"
	case 1:
		return "ICMP"
	case 2:
		return "IGMP"
	case 4:
		return "IPv4"
	case 6:
		return "TCP"
	case 8:
		return "EGP"
	case 12:
		return "PUP"
	case 17:
		return "UDP"
	case 22:
		return "XNS-IDP"
	case 29:
		return "ISO-TP4"
	case 33:
		return "DCCP"
	case 41:
		return "IPv6"
	case 43:
		return "IPv6-Route"
	case 44:
		return "IPv6-Frag"
	case 46:
		return "RSVP"
	case 47:
		return "GRE"
	case 50:
		return "ESP"
	case 51:
		return "AH"
	case 58:
		return "IPv6-ICMP"
	case 59:
		return "IPv6-NoNxt"
	case 60:
		return "IPv6-Opts"
	case 89:
		return "OSPFIGP"
	case 92:
		return "MTP"
	case 94:
		return "IPIP"
	case 98:
		return "ENCAP"
	case 103:
		return "PIM"
	case 108:
		return "IPComp"
	case 112:
		return "VRRP"
	case 115:
		return "L2TP"
	case 132:
		return "SCTP"
	case 136:
		return "UDPLite"
	case 137:
		return "MPLS-in-IP"
	case 143:
		return "Ethernet"
	}
	return ""
}

func appendNamed(dst []byte, name, prefix string, n uint64) []byte {
	if name != "" {
		return append(dst, name...)
	}
	return strconv.AppendUint(append(dst, prefix...), n, 10)
}

package event

import (
	"runtime"
	"strconv"
	"strings"
	"sync"
)

//go:generate go run names_gen.go

var (
	errnoNames    = sync.OnceValue(func() []string { return decodeTable(errnoTable) })
	signalNames   = sync.OnceValue(func() []string { return decodeTable(signalTable) })
	protocolNames = sync.OnceValue(func() []string { return decodeTable(protocolTable) })
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

// decodeTable makes a slice, indexed by number, of a table: words are
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

// AppendProtocol appends the IANA name of an IP protocol, such as TCP, or MPTCP,
// which has a number of Linux's; proto#N for one that Linux does not speak.
func AppendProtocol(dst []byte, proto uint16) []byte {
	return appendNamed(dst, lookup(protocolNames(), uint64(proto)), "proto#", uint64(proto))
}

const protocolTable = `HOPOPT ICMP IGMP =4 IPv4 =6 TCP =8 EGP =12 PUP =17 UDP =22 XNS-IDP =29 ISO-TP4 =33 DCCP
=41 IPv6 =43 IPv6-Route IPv6-Frag =46 RSVP GRE =50 ESP AH =58 IPv6-ICMP IPv6-NoNxt IPv6-Opts =89 OSPFIGP
=92 MTP =94 IPIP =97 ETHERIP ENCAP =103 PIM =108 IPComp =112 VRRP =115 L2TP =132 SCTP =136 UDPLite MPLS-in-IP
=143 Ethernet =262 MPTCP`

func appendNamed(dst []byte, name, prefix string, n uint64) []byte {
	if name != "" {
		return append(dst, name...)
	}
	return strconv.AppendUint(append(dst, prefix...), n, 10)
}

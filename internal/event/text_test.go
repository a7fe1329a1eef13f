package event

import (
	"io/fs"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestNumbers(t *testing.T) {
	enum := &Enum{Values: []EnumValue{{"ZERO", 0}, {"ONE", 1}, {"TWO", 2}, {"MINUS", ^uint64(0)}, {"FOUR", 4}}}
	for _, tt := range []struct {
		got  []byte
		want string
	}{
		{AppendErrno(nil, 0), ""},
		{AppendErrno(nil, 2), "ENOENT"},
		{AppendErrno(nil, 117), "EUCLEAN"},
		{AppendErrno(nil, 41), "error#41"},
		{AppendErrno(nil, 512), "error#512"},
		{AppendErrno(nil, 1<<31), "error#2147483648"},
		{AppendSignal(nil, 9), "SIGKILL"},
		{AppendSignal(nil, 0), "signal#0"},
		{AppendSignal(nil, 34), "signal#34"},
		{AppendSyscall(nil, 1<<40), "SYS_UNKNOWN"},
		{AppendEnum(nil, enum, 1, 32), "ONE"},
		{AppendEnum(nil, enum, 3, 32), "UNKNOWN"},
		{AppendEnum(nil, enum, 0xffffffff, 32), "MINUS"},
		{AppendEnum(nil, enum, 0xffffffff, 64), "UNKNOWN"},
		{AppendEnum(nil, nil, 1, 8), "UNKNOWN"},
		{AppendEnumSet(nil, enum, 5, "|"), "ONE|FOUR"},
		{AppendEnumSet(nil, enum, 0, "|"), "ZERO"},
		{AppendEnumSet(nil, enum, 3, ", "), "ONE, TWO"},
		{AppendEnumSet(nil, enum, 8, "|"), ""},
		{AppendEnumSet(nil, nil, 8, "|"), ""},
		{AppendProtocol(nil, 6), "TCP"},
		{AppendProtocol(nil, 58), "IPv6-ICMP"},
		{AppendProtocol(nil, 262), "MPTCP"},
		{AppendProtocol(nil, 300), "proto#300"},
		{AppendFileFlags(nil, 0), "O_RDONLY"},
		{AppendFileFlags(nil, 3), "O_WRONLY|O_RDWR"},
		{AppendFileFlags(nil, 0o2000002), "O_RDWR|O_CLOEXEC"},
		{AppendFileFlags(nil, ^uint32(3)), "O_RDONLY|O_CREAT|O_EXCL|O_NOCTTY|O_TRUNC|O_APPEND|O_NONBLOCK|O_DSYNC|" +
			"O_FASYNC|O_DIRECT|O_LARGEFILE|O_DIRECTORY|O_NOFOLLOW|O_NOATIME|O_CLOEXEC"},
		{AppendSize(nil, 0), "0 B"},
		{AppendSize(nil, 9), "9 B"},
		{AppendSize(nil, 10), "10 B"},
		{AppendSize(nil, 999), "999 B"},
		{AppendSize(nil, 1000), "1.0 kB"},
		{AppendSize(nil, 1601536), "1.6 MB"},
		{AppendSize(nil, 82854), "83 kB"},
		{AppendSize(nil, 82499), "82 kB"},
		{AppendSize(nil, 9999), "10 kB"},
		{AppendSize(nil, 999999), "1000 kB"},
		{AppendSize(nil, ^uint64(0)), "18 EB"},
		{AppendDuration(nil, 0), "0ns"},
		{AppendDuration(nil, 999), "999ns"},
		{AppendDuration(nil, 1200), "1.20µs"},
		{AppendDuration(nil, 1204999), "1.20ms"},
		{AppendDuration(nil, ^uint64(0)), "5124095h34m33.709551615s"},
		{AppendCPUTime(nil, 0), "0:00.000"},
		{AppendCPUTime(nil, 710e6), "0:00.710"},
		{AppendCPUTime(nil, 62_340_999_999), "1:02.340"},
		{AppendCPUTime(nil, 600*60e9), "600:00.000"},
		{AppendEndpoint(nil, netip.MustParseAddr("192.0.2.1"), 80), "192.0.2.1:80"},
		{AppendEndpoint(nil, netip.MustParseAddr("2001:db8::1"), 443), "[2001:db8::1]:443"},
		{AppendEndpoint(nil, netip.Addr{}, 443), ""},
		{AppendAddr(nil, netip.Addr{}), ""},
		{AppendHex(nil, []byte{0, 0xfe}), "00fe"},
	} {
		if string(tt.got) != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestNamesAreThoseOfTheSystem(t *testing.T) {
	for i := 1; i < 200; i++ {
		want := unix.ErrnoName(syscall.Errno(i))
		if got := string(AppendErrno(nil, uint32(i))); want != "" && got != want && i != int(unix.EUCLEAN) {
			t.Errorf("errno %d: got %s, want %s", i, got, want)
		}
		want = unix.SignalName(syscall.Signal(i))
		if got := string(AppendSignal(nil, uint32(i))); want != "" && got != want {
			t.Errorf("signal %d: got %s, want %s", i, got, want)
		}
	}
	if got := string(AppendSyscall(nil, unix.SYS_OPENAT)); got != "SYS_OPENAT" {
		t.Errorf("openat is %s", got)
	}
	for _, tt := range []struct {
		arch   string
		number uint64
		want   string
	}{
		{"amd64", 0, "READ"}, {"amd64", 257, "OPENAT"}, {"amd64", 334, "RSEQ"}, {"amd64", 400, ""}, {"amd64", 424, "PIDFD_SEND_SIGNAL"},
		{"arm64", 0, "IO_SETUP"}, {"arm64", 56, "OPENAT"}, {"arm64", 79, "NEWFSTATAT"}, {"arm64", 244, ""}, {"arm64", 424, "PIDFD_SEND_SIGNAL"},
	} {
		if got := lookup(syscallsOf(tt.arch), tt.number); got != tt.want {
			t.Errorf("system call %d of %s: got %q, want %q", tt.number, tt.arch, got, tt.want)
		}
	}
}

func TestDurationIsGos(t *testing.T) {
	for ns := uint64(1e9); ns < 1<<60; ns = ns*7/2 + 12345 {
		for _, v := range []uint64{ns, ns / 1e9 * 1e9, ns / 1e6 * 1e6} {
			if got, want := string(AppendDuration(nil, v)), time.Duration(v).String(); got != want {
				t.Errorf("%d: got %s, want %s", v, got, want)
			}
		}
	}
}

func TestFileModeIsGos(t *testing.T) {
	for _, mode := range []uint32{0, 0o644, 0o777, 0o1777, 0o40755, 0o100644, 1 << 31, 1<<31 | 1<<20 | 0o755, ^uint32(0), 0o4755} {
		if got, want := string(AppendFileMode(nil, mode)), fs.FileMode(mode).String(); got != want {
			t.Errorf("%o: got %s, want %s", mode, got, want)
		}
	}
}

func TestArgs(t *testing.T) {
	for _, tt := range []struct{ argv, want string }{
		{"", ""},
		{"ls\x00-l\x00/tmp\x00", "ls -l /tmp"},
		{"ls\x00-l\x00/tm", "ls -l /tm"},
		{"sh\x00-c\x00echo hi; ls\x00", `sh -c "echo hi; ls"`},
		{"a\x00\x00b\x00", `a "" b`},
		{"a\x00\x00", `a ""`},
		{"\x00", `""`},
		{"printf\x00a\nb\x1b\x00", `printf "a\nb\x1b"`},
		{`"q"` + "\x00a\"b\x00c:\\d\x00", `"\"q\"" a"b c:\d`},
		{"q \"\\\x00", `"q \"\\"`},
		{"日本\x00\xff\x00", "日本 \xff"},
	} {
		if got := string(AppendArgs(nil, []byte(tt.argv))); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.argv, got, tt.want)
		}
	}
}

// unquoteArgs reads a line of AppendArgs as its doc comment says.
func unquoteArgs(line string) []string {
	var args []string
	for len(line) > 0 {
		if line[0] != '"' {
			arg, rest, _ := strings.Cut(line, " ")
			args, line = append(args, arg), rest
			continue
		}
		var arg []byte
		i := 1
		for ; line[i] != '"'; i++ {
			if line[i] != '\\' {
				arg = append(arg, line[i])
				continue
			}
			i++
			switch line[i] {
			case 'n':
				arg = append(arg, '\n')
			case 'r':
				arg = append(arg, '\r')
			case 't':
				arg = append(arg, '\t')
			case 'x':
				hi, lo := strings.IndexByte(hexDigits, line[i+1]), strings.IndexByte(hexDigits, line[i+2])
				arg = append(arg, byte(hi<<4|lo))
				i += 2
			default:
				arg = append(arg, line[i])
			}
		}
		args, line = append(args, string(arg)), strings.TrimPrefix(line[i+1:], " ")
	}
	return args
}

func FuzzArgs(f *testing.F) {
	f.Add("sh\x00-c\x00echo \"hi\"\\\n\x00\x00")
	f.Fuzz(func(t *testing.T, argv string) {
		got := unquoteArgs(string(AppendArgs(nil, []byte(argv))))
		var want []string
		if argv != "" {
			want = strings.Split(strings.TrimSuffix(argv, "\x00"), "\x00")
		}
		if strings.Join(got, "\x00") != strings.Join(want, "\x00") || len(got) != len(want) {
			t.Errorf("%q: read back as %q", argv, got)
		}
	})
}

func TestTimestamp(t *testing.T) {
	east := time.FixedZone("east", 5*3600+1800)
	f := NewFormatter(&Env{BootToWall: 1795321069e9, Location: east})
	b := &builder{}
	for _, wall := range []int64{1795321069668141664, 1795321069668141665, 1795321069e9, 1795321074e9, 1795321069999999999, 0, -1, -1e9} {
		boot := uint64(wall - 1795321069e9)
		b.raw = nil
		b.add("t", Timestamp, 8, boot)
		b.add("ns", WallTime, 8, boot)
		stamp, ns := &b.layout.Fields[0], &b.layout.Fields[1]
		stamp.Offset, ns.Offset = 0, 8
		want := time.Unix(0, wall).In(east)
		got := string(f.Append(nil, stamp, b.record()))
		if w := want.Format("2006-01-02T15:04:05.000000000Z07:00"); got != w {
			t.Errorf("%d: got %s, want %s", boot, got, w)
		}
		stamp.Format = time.Kitchen
		if got := string(f.Append(nil, stamp, b.record())); got != want.Format(time.Kitchen) {
			t.Errorf("%d: own layout gives %s", boot, got)
		}
		stamp.Format = ""
		if got := f.Append(nil, ns, b.record()); string(got) != string(appendInt(want.UnixNano())) {
			t.Errorf("%d: wall time %s", boot, got)
		}
	}
}

func appendInt(n int64) []byte {
	b := &builder{}
	b.add("n", Int64, 8, uint64(n))
	return NewFormatter(nil).Append(nil, &b.layout.Fields[0], b.record())
}

// endpoint is a struct gadget_l4endpoint_t; an l3 one has the version at 16.
func endpoint(addr string, port, proto uint16, version byte, l4 bool) []byte {
	raw := make([]byte, 32)
	a := netip.MustParseAddr(addr)
	if version == 4 {
		copy(raw, a.AsSlice())
	} else {
		b := a.As16()
		copy(raw, b[:])
	}
	if !l4 {
		raw[16] = version
		return raw
	}
	b := &builder{}
	b.add("port", Uint16, 2, int(port))
	b.add("proto", Uint16, 2, int(proto))
	copy(raw[16:], b.raw)
	raw[20] = version
	return raw
}

func TestFields(t *testing.T) {
	env := &Env{UserName: rootOnly, GroupName: rootOnly}
	v4 := endpoint("192.0.2.7", 8080, 6, 4, true)
	v6 := endpoint("2001:db8::2", 53, 17, 6, true)
	rest := "\x05\x00\x00\x00ls\x00-l\x00tail"
	for _, tt := range []struct {
		name  string
		field Field
		raw   string
		want  string
	}{
		{"user", Field{Kind: User, Size: 4}, "\x00\x00\x00\x00", "root"},
		{"unknown user", Field{Kind: User, Size: 4}, "\x01\x00\x00\x00", "uid:1"},
		{"unknown group", Field{Kind: Group}, "\x01\x00\x00\x00", "gid:1"},
		{"syscall", Field{Kind: Syscall, Size: 8}, "\xff\xff\xff\xff\x00\x00\x00\x00", "SYS_UNKNOWN"},
		{"byte enum", Field{Kind: EnumName, Size: 1, Signed: true, Enum: &Enum{Values: []EnumValue{{"M", ^uint64(0)}}}}, "\xff", "M"},
		{"enum set", Field{Kind: EnumSet, Size: 1, Format: "+", Enum: &Enum{Values: []EnumValue{{"A", 1}, {"B", 2}}}}, "\x03", "A+B"},
		{"l4 address", Field{Kind: L4Addr, Size: 32}, string(v4), "192.0.2.7"},
		{"l4 endpoint", Field{Kind: L4Endpoint, Size: 32}, string(v4), "192.0.2.7:8080"},
		{"l4 endpoint of IPv6", Field{Kind: L4Endpoint, Size: 32}, string(v6), "[2001:db8::2]:53"},
		{"protocol", Field{Kind: L4Proto, Size: 32}, string(v6), "UDP"},
		{"l3 address", Field{Kind: L3Addr, Size: 32}, string(endpoint("2001:db8::2", 0, 0, 6, false)), "2001:db8::2"},
		{"mapped address", Field{Kind: L3Addr, Size: 32}, string(endpoint("::ffff:192.0.2.9", 0, 0, 6, false)), "192.0.2.9"},
		{"no address", Field{Kind: L4Addr, Size: 32}, strings.Repeat("\x01", 32), ""},
		{"no endpoint", Field{Kind: L4Endpoint, Size: 32}, strings.Repeat("\x01", 32), ""},
		{"short endpoint", Field{Kind: L4Endpoint, Size: 32}, string(v4[:15]), ""},
		{"rest", Field{Kind: RestString, Offset: 4}, rest, "ls"},
		{"rest bytes", Field{Kind: RestBytes, Offset: 4, HasLen: true}, rest, "6c73002d6c"},
		{"rest args", Field{Kind: RestArgs, Offset: 4, HasLen: true}, rest, "ls -l"},
		{"all rest args", Field{Kind: RestArgs, Offset: 4}, rest, "ls -l tail"},
		{"rest length lies", Field{Kind: RestString, Offset: 4, HasLen: true}, "\xff\xff\xff\xffab", "ab"},
		{"rest beyond", Field{Kind: RestString, Offset: 400}, rest, ""},
		{"text without NUL", Field{Kind: CString, Size: 3}, "abcdef", "abc"},
		{"scalar beyond", Field{Kind: Uint64, Offset: 2}, "12345678", "0"},
		{"negative offset", Field{Kind: Uint64, Offset: -2}, "12345678", "0"},
		{"array beyond", Field{Kind: Uint16, Offset: 1, Size: 1 << 40, Count: 1 << 39}, "\x00\x01\x00\x02\x00", "[1,2]"},
		{"text beyond", Field{Kind: CString, Offset: 3, Size: 1 << 62}, "abcdef", "def"},
		{"nothing", Field{}, "abc", ""},
		{"slot beyond", Field{Kind: Added, Slot: 3}, "", ""},
		{"negative slot", Field{Kind: Added, Slot: -3}, "", ""},
	} {
		rec := &Record{Raw: []byte(tt.raw)}
		if got := string(NewFormatter(env).Append(nil, &tt.field, rec)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestElement(t *testing.T) {
	b := &builder{}
	f := b.add("a", Int16, 6, []byte{1, 0, 0xff, 0xff, 3, 0})
	f.Count = 3
	if got := f.Element(1).Int(b.record()); got != -1 {
		t.Errorf("element 1 is %d", got)
	}
	if f.Element(3) != nil || f.Element(-1) != nil {
		t.Error("elements beyond the array")
	}
}

func TestControlSafe(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"all well", "all well"},
		{"line 3:\n\tx\x1b[31m\u202e\x00", "line 3:\n\tx\\x1b[31m\\u202e\\x00"},
		{"\n", "\n"},
		{"日本 é ☃", "日本 é ☃"},
		{"", ""},
	} {
		if got := ControlSafe(tt.text); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

package filter

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
)

// sample is an event with a field of each type.
func sample() (*event.Layout, *event.Env, *event.Record) {
	l := &event.Layout{Name: "open"}
	var raw []byte
	add := func(name string, kind event.Kind, data []byte) *event.Field {
		l.Fields = append(l.Fields, event.Field{Name: name, Kind: kind, Offset: len(raw), Size: len(data)})
		raw = append(raw, data...)
		return &l.Fields[len(l.Fields)-1]
	}
	view := func(name string, kind event.Kind) {
		last := l.Fields[len(l.Fields)-1]
		last.Name, last.Kind = name, kind
		l.Fields = append(l.Fields, last)
	}
	u16 := func(v uint16) []byte { return binary.NativeEndian.AppendUint16(nil, v) }
	u32 := func(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
	u64 := func(v uint64) []byte { return binary.NativeEndian.AppendUint64(nil, v) }

	add("proc.comm", event.CString, []byte("bash\x00junk\x00..."))
	add("proc.pid", event.Uint32, u32(4242))
	add("fname", event.CString, []byte("/etc/ld.so.cache\x00"))
	add("error_raw", event.Uint32, u32(2))
	view("error", event.Errno)
	add("flags_raw", event.Uint32, u32(0o2000001))
	view("flags", event.FileFlags)
	add("latency_raw", event.Uint64, u64(9_000_000))
	view("latency", event.Duration)
	add("size_raw", event.Uint64, u64(82854))
	view("size", event.HumanSize)
	add("timestamp_raw", event.WallTime, u64(668141664))
	view("timestamp", event.Timestamp)
	view("second", event.Timestamp)
	l.Fields[len(l.Fields)-1].Format = "2006-01-02T15:04:05Z07:00"
	view("latency_cpu", event.CPUTime)
	add("addr", event.Uint64, u64(math.MaxUint64-1))
	add("delta", event.Int32, u32(^uint32(4)))
	add("big", event.Int64, u64(math.MaxInt64))
	add("ratio", event.Float64, u64(math.Float64bits(0.75)))
	add("half", event.Float32, u32(math.Float32bits(0.5)))
	add("ok", event.Bool, []byte{1})
	add("no", event.Bool, []byte{0})
	add("raw", event.Bytes, []byte{0xab, 0})
	add("ports", event.Uint16, append(append(u16(80), u16(443)...), u16(8080)...)).Count = 3
	add("words", event.Uint64, append(u64(1), u64(math.MaxUint64)...)).Count = 2
	add("in", event.Uint8, []byte{7})
	add("weird-name", event.Uint8, []byte{8})
	v4 := make([]byte, 32)
	copy(v4, netip.MustParseAddr("10.1.2.3").AsSlice())
	copy(v4[16:], u16(8080))
	v4[18], v4[20] = 6, 4
	add("dst.endpoint", event.L4Endpoint, v4)
	view("dst.addr", event.L4Addr)
	view("dst.proto", event.L4Proto)
	l.Fields = append(l.Fields, event.Field{Name: "dst.port", Kind: event.Uint16, Offset: len(raw) - 16, Size: 2})
	l.Fields = append(l.Fields, event.Field{Name: "runtime.containerName", Kind: event.FromContainer, Attr: event.RuntimeContainerName})
	l.Fields = append(l.Fields, event.Field{Name: "runtime.containerPid", Kind: event.FromContainer, Attr: event.RuntimeContainerPID})
	l.Fields = append(l.Fields, event.Field{Name: "runtime", Kind: event.Invalid})
	l.Fields = append(l.Fields, event.Field{Name: "args", Kind: event.RestArgs, Offset: len(raw)})
	l.Size = len(raw)
	raw = append(raw, "sh\x00-c\x00Hällo wörld\x00"...)
	env := &event.Env{BootToWall: 1795321069e9}
	return l, env, &event.Record{Raw: raw, Container: &event.Container{Name: "web", PID: 77}}
}

func TestFilters(t *testing.T) {
	l, env, rec := sample()
	for _, tt := range []struct {
		source string
		want   bool
	}{
		// Literals and logic.
		{`true`, true}, {`false`, false}, {`!false`, true}, {`not true`, false}, {`ok`, true}, {`no`, false},
		{`ok && no`, false}, {`ok and not no`, true}, {`no || ok`, true}, {`no or no`, false}, {`ok == true`, true},
		{`ok != no`, true}, {`(no or ok) and (ok or no)`, true}, {`ok ? no : ok`, false}, {`no ? 1 == 2 : 1 == 1`, true},
		// Text.
		{`proc.comm == "bash"`, true}, {`proc.comm != 'bash'`, false}, {`"bash" == proc.comm`, true},
		{`proc.comm == "bas"`, false}, {`proc.comm < "bat"`, true}, {`proc.comm >= "bash"`, true}, {`proc.comm > "c"`, false},
		{`proc.comm contains "as"`, true}, {`proc.comm startsWith "ba"`, true}, {`proc.comm endsWith "ba"`, false},
		{`proc.comm not contains "zz"`, true}, {`fname matches "\\.so(\\.|$)"`, true}, {`fname matches "^so"`, false},
		{`not (fname matches "cache$")`, false}, {`proc.comm in ["zsh", "bash"]`, true}, {`proc.comm not in ["zsh"]`, true},
		{`proc.comm in []`, false}, {`proc.comm == fname`, false}, {`proc.comm in [fname, proc.comm]`, true},
		{`len(proc.comm) == 4`, true}, {`upper(proc.comm) == "BASH"`, true}, {`proc.comm | upper() == "BASH"`, true},
		{`lower("ÄB") == "äb"`, true}, {`len("äb") == 2`, true}, {`(ok ? proc.comm : fname) == "bash"`, true},
		{`args == "sh -c \"Hällo wörld\""`, true}, {`lower(args) contains "hällo"`, true}, {`raw == "ab00"`, true},
		// Formatted text and the numbers behind it.
		{`error == "ENOENT"`, true}, {`error_raw == 2`, true}, {`error in ["EPERM", "ENOENT"]`, true}, {`flags contains "O_CLOEXEC"`, true},
		{`dst.endpoint == "10.1.2.3:8080"`, true}, {`dst.addr == "10.1.2.3"`, true}, {`dst.proto == "TCP"`, true}, {`dst.port == 8080`, true},
		{`runtime.containerName == "web"`, true}, {`runtime.containerPid == 77`, true},
		{`latency == "9.00ms"`, true}, {`latency > "10ms"`, false}, {`latency < "10ms"`, true}, {`"10ms" > latency`, true},
		{`size > "9 kB"`, true}, {`size >= "82854"`, true}, {`size == "83 kB"`, true}, {`size < "81KiB"`, true}, {`size > "81KiB"`, false},
		{`latency_raw > duration("8ms")`, true}, {`latency_raw <= duration("8ms")`, false}, {`size_raw < size("1.5 MB")`, true},
		{`size("4KiB") == 4096`, true}, {`size("2M") == 2000000`, true}, {`size("1 EiB") == 1024**6`, true},
		{`timestamp == "2026-11-22T04:17:49.668141664Z"`, true}, {`timestamp > "2026-11-22T04:17:49Z"`, true},
		{`second == "2026-11-22T04:17:49Z"`, true}, {`second > "2026-11-22T04:17:49Z"`, true},
		{`latency_cpu > "600ms"`, true}, {`latency_cpu == "0:00.668"`, true}, {`latency_cpu > "700ms"`, false},
		{`timestamp < "2026-11-22T04:17:50Z"`, true}, {`timestamp < "2026-11-22T05:17:49+01:00"`, false}, {`timestamp > "2026-11-22"`, true},
		{`timestamp startsWith "2026-11-22T04:17"`, true}, {`timestamp_raw == 1795321069668141664`, true}, {`timestamp == "now"`, false},
		// Numbers.
		{`proc.pid == 4242`, true}, {`proc.pid != 4242`, false}, {`4241 < proc.pid`, true}, {`proc.pid <= 4241`, false}, {`proc.pid > 0x1000`, true},
		{`1 < proc.pid < 5000`, true}, {`proc.pid in [1, 4242]`, true}, {`proc.pid in 4000..5000`, true}, {`proc.pid not in 1..9`, true},
		{`proc.pid % 10 == 2`, true}, {`proc.pid / 4 == 1060.5`, true}, {`proc.pid * 2 - 1 > 8482`, true}, {`-proc.pid < 0`, true},
		{`proc.pid % 0 == 0`, true}, {`2 ** 10 == 1024`, true}, {`delta == -5`, true}, {`delta < 0`, true}, {`+delta == -5`, true},
		{`delta % 3 == -2`, true}, {`ratio > 0.5`, true}, {`ratio * 4 == 3`, true}, {`half == 0.5`, true}, {`ratio > half`, true},
		{`proc.pid > 4241.5`, true}, {`ratio < 1`, true}, {`big > 9223372036854775806`, true}, {`-ratio < 0`, true}, {`ratio / 0 > 1e300`, true},
		{`(ok ? 1 : 0.5) == 1`, true}, {`(no ? addr : 3) == 3`, true}, {`in == 7`, true},
		// Unsigned 64 bits beside signed numbers.
		{`addr > 0`, true}, {`addr == -2`, false}, {`addr != -2`, true}, {`addr > -2`, true}, {`-2 < addr`, true}, {`addr < delta`, false},
		{`addr >= big`, true}, {`delta < addr`, true}, {`delta == addr`, false}, {`delta != addr`, true}, {`addr == int("0xfffffffffffffffe")`, true},
		{`addr < int("0xffffffffffffffff")`, true}, {`addr > 1.5`, true}, {`addr - 1 == big - 1`, true}, {`int("-5") == delta`, true},
		{`latency_raw == 9000000`, true}, {`latency_raw == 9000000.0`, true},
		// Arrays.
		{`443 in ports`, true}, {`81 in ports`, false}, {`ports[2] == 8080`, true}, {`len(ports) == 3`, true}, {`proc.pid in ports`, false},
		{`443.0 in ports`, true}, {`addr in words`, false}, {`1 in words`, true}, {`words[1] == int("0xffffffffffffffff")`, true},
		// Addresses and odd names.
		{`cidr(dst.addr, "10.0.0.0/8")`, true}, {`cidr(dst.endpoint, "192.168.0.0/16", "10.1.2.3/32")`, true}, {`cidr(dst.addr, "fd00::/8")`, false},
		{`$env["weird-name"] == 8`, true}, {`$env["in"] == 7`, true}, {`$env["proc.comm"] == "bash"`, true}, {`proc["comm"] == "bash"`, true},
		// The form FIELD OP VALUE[,…].
		{`proc.comm==bash`, true}, {`proc.comm=bash`, true}, {`proc.comm=zsh`, false}, {`proc.comm!=zsh`, true}, {`proc.comm = bash `, true},
		{`proc.comm~^ba`, true}, {`proc.comm!~^ba`, false}, {`proc.comm==bash,proc.pid==4242`, true}, {`proc.comm==bash,proc.pid>5000`, false},
		{`proc.pid>=4242,proc.pid<=4242,proc.pid>1,proc.pid<5000,proc.pid!=7`, true}, {`fname=/etc/ld.so.cache`, true}, {`fname~a\,b|cache`, true},
		{`proc.comm=a\,b`, false}, {`ok=true`, true}, {`ok==false,proc.pid=1`, false}, {`ratio>0.7,ratio<0.8`, true}, {`addr=0xfffffffffffffffe`, true},
		{`delta=-5`, true}, {`latency<10ms`, true}, {`error=ENOENT`, true}, {`runtime.containerName=web`, true},
		{`weird-name=8`, true}, {`dst.endpoint=10.1.2.3:8080`, true}, {`fname~ld.so and`, false}, {`fname!~a and b&&`, true},
		{` proc.pid = 4242 `, true}, {`fname=a~b`, false}, {`proc.comm!=a=b`, true},
	} {
		f, err := Compile(tt.source, l, env)
		if err != nil {
			t.Errorf("%s: %v", tt.source, err)
			continue
		}
		for range 2 { // buffers are used again
			if got := f(rec); got != tt.want {
				t.Errorf("%s is %v", tt.source, got)
			}
		}
		f(&event.Record{}) // an empty record reads as zeros
	}
}

func TestErrors(t *testing.T) {
	l, env, _ := sample()
	for _, tt := range []struct{ source, want string }{
		{`proc.cmm == "bash" && ok`, `
unknown field "proc.cmm": did you mean "proc.comm"?
  proc.cmm == "bash" && ok
  ^^^^^^^^`},
		{`ok && comm == "bash"`, `
unknown field "comm": did you mean "proc.comm"?
  ok && comm == "bash"
        ^^^^`},
		{`fname == fnam`, `
unknown field "fnam": did you mean "fname"?
  fname == fnam
           ^^^^
for that text, write it in quotes: "fnam"`},
		{`zzz == 1`, `
unknown field "zzz"; text goes into quotes, and gadget run IMAGE --help lists the fields
  zzz == 1
  ^^^`},
		{`dst == 1`, `
"dst" has no value of its own; its members are dst.endpoint, dst.addr, dst.proto, dst.port
  dst == 1
  ^^^`},
		{`proc.pid`, `
proc.pid is a number, not a condition; compare it with something
  proc.pid
  ^^^^^^^^`},
		{`ok &&
	proc.pid == "1"`, `
proc.pid is a number but "1" is text; text goes into quotes, numbers do not
   proc.pid == "1"
   ^^^^^^^^^^^^^^^`},
		{`error == 2`, `
error is text but 2 is a number; the number is error_raw
  error == 2
  ^^^^^^^^^^`},
		{`latency * 2 > 1`, `
latency is text, not a number; the number is latency_raw
  latency * 2 > 1
  ^^^^^^^`},
		{`proc.comm == true`, `
proc.comm is text but true is a condition; text goes into quotes, numbers do not
  proc.comm == true
  ^^^^^^^^^^^^^^^^^`},
		{`latency > "long"`, `
latency cannot be compared with "long": it is not a duration such as 1ms or 2.5s
  latency > "long"
            ^^^^^^`},
		{`size < "4 bits"`, `
size cannot be compared with "4 bits": it is not a size such as 4KiB or 1.5 MB
  size < "4 bits"
         ^^^^^^^^`},
		{`timestamp > "yesterday"`, `
timestamp cannot be compared with "yesterday": it is not a time such as 2026-01-31T15:04:05Z
  timestamp > "yesterday"
              ^^^^^^^^^^^`},
		{`fname matches "a("`, "\nbad pattern: missing closing ): `a(`\n" + `  fname matches "a("
                ^^^^`},
		{`fname matches proc.comm`, `
the pattern of matches is a literal text
  fname matches proc.comm
                ^^^^^^^^^`},
		{`cidr(dst.addr, "10.0.0.0")`, `
"10.0.0.0" is no network such as "10.0.0.0/8" or "fd00::/8"
  cidr(dst.addr, "10.0.0.0")
                 ^^^^^^^^^^`},
		{`cidr(fname, "10.0.0.0/8")`, `
fname is no address field
  cidr(fname, "10.0.0.0/8")
       ^^^^^`},
		{`len(proc.pid) > 1`, `
proc.pid is a number; len() takes text or an array field
  len(proc.pid) > 1
      ^^^^^^^^`},
		{`trim(proc.comm) == ""`, `
there is no function trim(); there are cidr, duration, int, len, lower, size, upper
  trim(proc.comm) == ""
  ^^^^^^^^^^^^^^`},
		{`size("4 pints") > 1`, `
"4 pints" is wrong: it is not a size such as 4KiB or 1.5 MB
  size("4 pints") > 1
       ^^^^^^^^^`},
		{`ports == 80`, `
a list cannot be compared; use in, len() or [index]
  ports == 80
  ^^^^^^^^^^^`},
		{`ports[3] == 80`, `
ports has elements 0 to 2
  ports[3] == 80
  ^^^^^^^`},
		{`ok > no`, `
conditions can be equal or not, neither is greater
  ok > no
  ^^^^^^^`},
		{`proc.comm in 5`, `
in needs a list such as [1, 2], a range such as 1..9 or an array field, not a number
  proc.comm in 5
               ^`},
		{`(ok ? 1 : "a") == 1`, `
both sides of : must be of one type, but 1 is a number and "a" is text
  (ok ? 1 : "a") == 1
            ^^^`},
		{`ratio % 2 == 1`, `
% works on whole numbers
  ratio % 2 == 1
  ^^^^^^^^^`},
		{`proc.pid == `, `
this is no expression: it ends too early
  proc.pid == 
             ^
nor can it be read as FIELD OP VALUE[,…]: the value is missing`},
		{`proc.comm == "a" &&`, `
this is no expression: it ends too early
  proc.comm == "a" &&
                    ^
nor can it be read as FIELD OP VALUE[,…]: the value looks like part of an expression`},
		{`proc.pid > 5 5`, `
proc.pid cannot be compared with "5 5": it is not a whole number of 64 bits
  proc.pid > 5 5
            ^^^^
nor is it an expression: unexpected "5"`},
		{`proc.pid==abc`, `
unknown field "abc"; text goes into quotes, and gadget run IMAGE --help lists the fields
  proc.pid==abc
            ^^^
nor can it be read as FIELD OP VALUE[,…]: proc.pid cannot be compared with "abc": it is not a whole number of 64 bits`},
		{`proc.comn~bash`, `
unknown field "proc.comn": did you mean "proc.comm"?
  proc.comn~bash
  ^^^^^^^^^
nor is it an expression: unrecognized character: U+007E '~'`},
		{`proc.comm=bash,proc.pid~1`, `
proc.pid is a number; ~ works on text
  proc.comm=bash,proc.pid~1
                 ^^^^^^^^^^
nor is it an expression: unexpected "="`},
		{`ok==maybe`, `
unknown field "maybe"; text goes into quotes, and gadget run IMAGE --help lists the fields
  ok==maybe
      ^^^^^
nor can it be read as FIELD OP VALUE[,…]: ok is true or false, not "maybe"`},
		{`ports=80,ok=true`, `
ports is a list; use an expression: 1 in ports
  ports=80,ok=true
  ^^^^^
nor is it an expression: unexpected "="`},
		{`proc.comm=`, `
this is no expression: unexpected "="
  proc.comm=
           ^
nor can it be read as FIELD OP VALUE[,…]: the value is missing`},
		{`proc.comm == bash and ok`, `
unknown field "bash"; text goes into quotes, and gadget run IMAGE --help lists the fields
  proc.comm == bash and ok
               ^^^^`},
		{`proc.comm=bash,ok`, `
this is no expression: unexpected "="
  proc.comm=bash,ok
           ^
nor can it be read as FIELD OP VALUE[,…]: expected FIELD OP VALUE`},
		{``, `
this is no expression: it ends too early
nor can it be read as FIELD OP VALUE[,…]: expected FIELD OP VALUE`},
		{`let x = 1; x == 1`, ``},
		{`any(ports, # > 1)`, ``},
		{`[1,2][0] == 1`, ``},
		{`{"a": 1}.a == 1`, ``},
		{`proc.comm[1:2] == "a"`, ``},
		{`nil == 1`, ``},
		{`ok; no`, ``},
		{`"a" + "b" == "ab"`, ``},
		{`1 ?? 2 == 1`, ``},
		{`proc.comm()`, ``},
		{`proc?.comm == ""`, ``},
		{`1..2`, ``},
		{`proc.comm in 1..2`, ``},
		{`b"x" == 1`, ``},
		{`proc.pid == "\u202e"`, ``},
		{strings.Repeat("(", 9000) + "true" + strings.Repeat(")", 7000), ``},
		{strings.Repeat("!", 16000) + "ok", ``},
		{strings.Repeat("[", 16000), ``},
		{strings.Repeat("ok ? ", 3000) + "ok", ``},
		{strings.Repeat("ok&&", 3000) + "ok", ``},
		{strings.Repeat("a.", 3000) + "ok", ``},
		{strings.Repeat("x", maxSource+1), "\nthe filter is longer than 16384 bytes"},
		{strings.Repeat(`fname matches "a" or `, maxRegexps) + `fname matches "b"`, ``},
		{`fname matches "` + strings.Repeat("a", maxRegexp+1) + `"`, ``},
		{`fname matches "(((a{100}){100}){100})"`, ``},
	} {
		f, err := Compile(tt.source, l, env)
		var e *Error
		if err == nil || f != nil || !errors.As(err, &e) {
			t.Errorf("%.80s: got %v", tt.source, err)
			continue
		}
		if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), err.Error()); tt.want != "" && diff != "" {
			t.Errorf("%.80s: -want +got\n%s", tt.source, diff)
		}
		if strings.ContainsAny(err.Error(), "\x1b\u202e") || len(err.Error()) > 2000 {
			t.Errorf("%.80s: unfit for a terminal: %q", tt.source, err)
		}
	}
}

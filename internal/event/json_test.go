package event

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// peerLine reads a line that the peer printed. Ours must be the same, byte by
// byte: names, nesting, types, order of keys.
func peerLine(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "peer", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// encode prints one batch.
func encode(e Encoder, recs ...*Record) string {
	dst := e.Begin(nil)
	for _, rec := range recs {
		dst = e.Append(dst, rec)
	}
	return string(e.End(dst))
}

func TestJSONIsThePeers(t *testing.T) {
	signal := &builder{}
	signal.formatted("error", Errno, Uint32, 4, 0)
	signal.process("busybox", 6634, 4026532256, "busybox", 18380)
	signal.formatted("sig", Signal, Uint32, 4, 15)
	signal.add("tpid", Uint32, 4, 6633)
	signal.add("timestamp_raw", WallTime, 8, uint64(1795321079030723957))
	signal.view("timestamp", Timestamp, len(signal.raw)-8, 8)
	signal.enrich(busybox)

	for _, tt := range []struct {
		name  string
		build *builder
	}{
		{"trace_open", traceOpen()},
		{"trace_signal", signal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := tt.build.layout
			got := encode(NewJSON(&l, testEnv, JSONOptions{}), tt.build.record())
			if diff := cmp.Diff(peerLine(t, tt.name), got); diff != "" {
				t.Errorf("-peer +ours\n%s", diff)
			}
		})
	}
}

func TestJSONArrayIsThePeers(t *testing.T) {
	process := func(comm, parent, container, id string, mntns, pid, ppid int, started int64) *builder {
		b := &builder{layout: Layout{Array: true}}
		b.add("comm", CString, 16, comm)
		b.add("pid", Uint32, 4, pid)
		b.add("tid", Uint32, 4, pid)
		b.add("creds.uid", Uint32, 4, 0)
		b.view("creds.user", User, len(b.raw)-4, 4)
		b.add("creds.gid", Uint32, 4, 0)
		b.view("creds.group", Group, len(b.raw)-4, 4)
		b.add("mntns_id", Uint64, 8, mntns)
		b.add("parent.comm", CString, 16, parent)
		b.add("parent.pid", Uint32, 4, ppid)
		b.add("parent.tid", Uint32, 4, ppid)
		return b.enrich(&Container{
			Runtime: "docker", Image: "bb", Name: container, ID: id, PID: uint32(pid), StartedAt: started,
		})
	}
	one := process("busybox", "containerd-shim", "t1",
		"3635d67e34a61065c8d3663057e546dcbad8c627a12b64bb3b3a717aa83ef0ca", 4026532180, 4315, 4294, 1795318789790604653)
	two := process("busybox", "containerd-shim", "ev",
		"b714e4973ea1aaf40a5cd0b722b2732afee86b574a6db40ac6cf256394f30a9b", 4026532256, 18380, 18355, 1795320851852517470)

	e := NewJSON(&one.layout, testEnv, JSONOptions{})
	want := peerLine(t, "snapshot_process")
	for range 2 { // the second batch begins afresh
		if diff := cmp.Diff(want, encode(e, one.record(), two.record())); diff != "" {
			t.Errorf("-peer +ours\n%s", diff)
		}
	}
	if got := encode(e); got != "[]\n" {
		t.Errorf("an empty batch is %q", got)
	}
}

func TestJSONTopIsThePeers(t *testing.T) {
	top := func(comm, cpu, state, started string, cpuTime, rss, shared, virtual, pid, ppid, priority, nice, start int,
		relative float64,
	) *builder {
		b := &builder{layout: Layout{Array: true}}
		b.add("comm", CString, 32, comm)
		b.add("cpuTime", Uint64, 8, cpuTime)
		b.add("cpuTimeStr", CString, 32, cpu)
		b.add("cpuUsage", Float64, 8, 0.0)
		b.add("cpuUsageRelative", Float64, 8, 0.0)
		b.formatted("memoryRSS", HumanSize, Uint64, 8, rss)
		b.formatted("memoryShared", HumanSize, Uint64, 8, shared)
		b.formatted("memoryVirtual", HumanSize, Uint64, 8, virtual)
		b.add("memoryRelative", Float64, 8, relative)
		b.add("mountnsid", Uint64, 8, 4026531832)
		b.add("nice", Int32, 4, nice)
		b.add("pid", Int32, 4, pid)
		b.add("ppid", Int32, 4, ppid)
		b.add("priority", Int32, 4, priority)
		b.add("startTime", Uint64, 8, start)
		b.add("startTimeStr", CString, 32, started)
		b.add("state", CString, 2, state)
		b.add("threadCount", Int32, 4, 1)
		b.add("uid", Uint32, 4, 0)
		return b.enrich(nil)
	}
	one := top("sleep", "0:00.000", "S", "2026-11-22T04:07:21Z", 0, 1716224, 1601536, 2990080, 1, 1, 20, 0, 217646,
		0.0067898002615774606)
	two := top("kworker/0:0H-kblockd", "0:00.710", "I", "2026-11-22T03:31:05Z", 71, 0, 0, 0, 10, 2, 0, -20, 26, 0)
	got := encode(NewJSON(&one.layout, testEnv, JSONOptions{}), one.record(), two.record())
	if diff := cmp.Diff(peerLine(t, "top_process"), got); diff != "" {
		t.Errorf("-peer +ours\n%s", diff)
	}
}

// small has one field of every difficulty.
func small() *builder {
	b := &builder{layout: Layout{Name: "small"}}
	b.add("z", Int16, 2, -3)
	b.add("a.b.c", Bool, 1, true)
	b.add("a.b.d", Uint8, 1, 200)
	b.add("a.a", CString, 10, "q\"\\\n\x01\xff\u202e")
	b.add("bytes", Bytes, 3, []byte{0, 0xab, 0xff})
	f := b.add("list", Uint16, 6, []byte{1, 0, 2, 0, 255, 255})
	f.Count = 3
	f = b.add("octets", Uint8, 2, []byte{7, 8})
	f.Count = 2
	b.add("skipped", Uint8, 1, 9).SkipJSON = true
	b.add("both", Uint8, 1, 9)
	b.add("both.kid", Uint8, 1, 1)
	b.add("twice", Uint8, 1, 1)
	b.add("twice", Uint8, 1, 2)
	b.add("empty", Invalid, 0, 0)
	return b
}

func TestJSON(t *testing.T) {
	const object = `{"a":{"a":"q\"\\\n\u0001�\u202e","b":{"c":true,"d":200}},"both":{"kid":1},` +
		`"bytes":"00abff","list":[1,2,65535],"octets":[7,8],"twice":1,"z":-3}`
	const indented = `{
  "a": {
    "a": "q\"\\\n\u0001�\u202e",
    "b": {
      "c": true,
      "d": 200
    }
  },
  "both": {
    "kid": 1
  },
  "bytes": "00abff",
  "list": [1,2,65535],
  "octets": [7,8],
  "twice": 1,
  "z": -3
}`
	shift := strings.ReplaceAll(indented, "\n", "\n  ")
	for _, tt := range []struct {
		name  string
		array bool
		o     JSONOptions
		want  [3]string // of 0, 1 and 2 records
	}{
		{"stream", false, JSONOptions{}, [3]string{"", object + "\n", object + "\n" + object + "\n"}},
		{"array", true, JSONOptions{}, [3]string{"[]\n", "[" + object + "]\n", "[" + object + "," + object + "]\n"}},
		{"lines", true, JSONOptions{Lines: true, Indent: true}, [3]string{"", object + "\n", object + "\n" + object + "\n"}},
		{"pretty", false, JSONOptions{Indent: true}, [3]string{"", indented + "\n", indented + "\n" + indented + "\n"}},
		{"pretty array", true, JSONOptions{Indent: true}, [3]string{
			"[]\n", "[\n  " + shift + "\n]\n", "[\n  " + shift + ",\n  " + shift + "\n]\n",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := small()
			b.layout.Array = tt.array
			e := NewJSON(&b.layout, nil, tt.o)
			recs := []*Record{b.record(), b.record()}
			for n, want := range tt.want {
				if diff := cmp.Diff(want, encode(e, recs[:n]...)); diff != "" {
					t.Errorf("%d records: -want +got\n%s", n, diff)
				}
			}
		})
	}
}

func TestJSONFloats(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		size int
		want string
	}{
		{0, 8, "0"}, {1.5, 8, "1.5"}, {0.1, 4, "0.1"}, {1e21, 8, "1e+21"}, {-1e-9, 8, "-1e-09"},
		{nan, 8, "null"}, {inf, 8, "null"}, {-inf, 4, "null"},
	} {
		kind := Float64
		if tt.size == 4 {
			kind = Float32
		}
		b := &builder{}
		b.add("v", kind, tt.size, tt.v)
		if got, want := encode(NewJSON(&b.layout, nil, JSONOptions{}), b.record()), `{"v":`+tt.want+"}\n"; got != want {
			t.Errorf("%v in %d bytes: got %s, want %s", tt.v, tt.size, got, want)
		}
	}
}

// A record that is too short reads as zeros, and more bytes than expected do no harm.
func TestJSONShortRecord(t *testing.T) {
	b := traceOpen()
	e := NewJSON(&b.layout, testEnv, JSONOptions{})
	for n := 0; n <= len(b.raw)+9; n++ {
		raw := append(append([]byte(nil), b.raw...), "too long."...)[:n]
		if got := encode(e, &Record{Raw: raw}); !strings.HasPrefix(got, `{"error":"",`) {
			t.Fatalf("%d bytes: %s", n, got)
		}
	}
}

// A container's fields are encoded once; another container must not get them.
func TestJSONContainerChanges(t *testing.T) {
	b := new(builder).enrich(nil)
	e := NewJSON(&b.layout, nil, JSONOptions{})
	for i := range 3 * maxCached {
		c := &Container{Name: string(rune('a' + i%26)), PID: uint32(i)}
		got := encode(e, &Record{Container: c}, &Record{}, &Record{Container: c})
		lines := strings.Split(got, "\n")
		if want := `"containerName":"` + c.Name + `"`; lines[0] != lines[2] || !strings.Contains(lines[0], want) {
			t.Fatalf("container %d: want %s in\n%s", i, want, got)
		}
		if !strings.Contains(lines[1], `"containerName":""`) {
			t.Fatalf("record without container shows\n%s", lines[1])
		}
	}
}

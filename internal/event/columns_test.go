package event

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// table has the columns of a tracer as plan makes them.
func table() *builder {
	b := &builder{layout: Layout{Name: "open"}}
	f := b.add("proc.comm", CString, 16, "cat")
	f.Column.Title, f.Column.MaxWidth = "comm", 16
	f = b.add("proc.pid", Uint32, 4, 4242)
	f.Column.Title, f.Column.MinWidth, f.Column.Right = "pid", 7, true
	f = b.add("hidden", Uint32, 4, 1)
	f.Hidden = true
	f = b.add("fname", CString, 64, "/etc/ssl/certs/ca-certificates.crt")
	f.Column.Width, f.Column.Ellipsis = 32, EllipsisMiddle
	b.formatted("error", Errno, Uint32, 4, 0)
	b.layout.Fields[len(b.layout.Fields)-1].Column.Width = 12
	return b
}

func TestColumns(t *testing.T) {
	for _, tt := range []struct {
		name string
		o    ColumnOptions
		want string
	}{
		{"piped", ColumnOptions{}, `
COMM                    PID FNAME                            ERROR
cat                    4242 /etc/ssl/certs/ca-certificates.crt
`},
		{"wide terminal", ColumnOptions{Width: 100}, `
COMM                    PID FNAME                                                ERROR
cat                    4242 /etc/ssl/certs/ca-certificates.crt
`},
		{"narrow terminal", ColumnOptions{Width: 40}, `
COMM         PID FNAME            ERROR
cat         4242 /etc/ssl…tes.crt
`},
		{"no room", ColumnOptions{Width: 6}, `
… P… …
… 4… …
`},
		{"full values", ColumnOptions{Width: 40, NoTrunc: true}, `
COMM                    PID FNAME                            ERROR
cat                    4242 /etc/ssl/certs/ca-certificates.crt
`},
		{"no header", ColumnOptions{NoHeaders: true}, `
cat                    4242 /etc/ssl/certs/ca-certificates.crt
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := table()
			got := encode(NewColumns(&b.layout, nil, tt.o), b.record())
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// A terminal shows the header with each batch; a file has it once.
func TestColumnsHeaderOfBatches(t *testing.T) {
	for width, want := range map[int]int{0: 1, 80: 3} {
		b := table()
		b.layout.Array = true
		e := NewColumns(&b.layout, nil, ColumnOptions{Width: width})
		got := encode(e, b.record()) + encode(e) + encode(e, b.record())
		if n := strings.Count(got, "COMM"); n != want {
			t.Errorf("width %d: %d headers, want %d:\n%s", width, n, want, got)
		}
	}
}

func TestColumnsCells(t *testing.T) {
	for _, tt := range []struct {
		name   string
		kind   Kind
		size   int
		value  any
		column Column
		width  int // of the terminal
		want   string
	}{
		{"control bytes", CString, 32, "a\x1b[2Jb\nc\x00d", Column{}, 0, `a\x1b[2Jb\nc`},
		{"c1 and bidi", CString, 32, "a\u009bb\u202ec\xffd", Column{}, 0, `a\u009bb\u202ec\xffd`},
		{"tag characters", CString, 32, "a\U000e0041b", Column{}, 0, `a\U000e0041b`},
		{"end", CString, 16, "abcdefghij", Column{}, 5, "abcd…"},
		{"start", CString, 16, "abcdefghij", Column{Ellipsis: EllipsisStart}, 5, "…ghij"},
		{"middle", CString, 16, "abcdefghij", Column{Ellipsis: EllipsisMiddle}, 5, "ab…ij"},
		{"none", CString, 16, "abcdefghij", Column{Ellipsis: EllipsisNone}, 5, "abcde"},
		{"fits", CString, 16, "abcde", Column{}, 5, "abcde"},
		{"wide fits", CString, 16, "日本", Column{}, 4, "日本"},
		{"wide end", CString, 16, "日本語", Column{}, 4, "日…"},
		{"wide start", CString, 16, "日本語", Column{Ellipsis: EllipsisStart}, 4, "…語"},
		{"marks", CString, 32, "ae\u0301b", Column{}, 3, "ae\u0301b"},
		{"mark cut", CString, 32, "ae\u0301bc", Column{}, 3, "ae\u0301…"},
		{"mark start", CString, 32, "abe\u0301c", Column{Ellipsis: EllipsisStart}, 3, "…e\u0301c"},
		{"right", Uint32, 4, 7, Column{Right: true}, 4, "   7"},
		{"right cut", CString, 8, "abcdef", Column{Right: true}, 4, "abc…"},
		{"hex", Uint64, 8, 255, Column{Hex: true}, 0, "0xff"},
		{"negative hex", Int32, 4, -255, Column{Hex: true}, 0, "-0xff"},
		{"hex of a name", Errno, 4, 2, Column{Hex: true}, 0, "ENOENT"},
		{"float", Float64, 8, 2.0 / 3, Column{Precision: -1}, 0, "0.67"},
		{"precise float", Float32, 4, 0.5, Column{Precision: 4}, 0, "0.5000"},
		{"infinite", Float64, 8, inf, Column{}, 0, "+Inf"},
		{"bytes", Bytes, 3, []byte{1, 2, 255}, Column{}, 0, "0102ff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &builder{}
			b.add("v", tt.kind, tt.size, tt.value).Column = tt.column
			e := NewColumns(&b.layout, nil, ColumnOptions{Width: tt.width, NoHeaders: true})
			if got := encode(e, b.record()); got != tt.want+"\n" {
				t.Errorf("got %q, want %q", got, tt.want+"\n")
			}
		})
	}
}

func TestColumnsArrays(t *testing.T) {
	b := &builder{}
	f := b.add("h", Uint8, 2, []byte{10, 255})
	f.Count, f.Column.Hex = 2, true
	f = b.add("n", Int8, 2, []byte{10, 255})
	f.Count = 2
	b.add("more", Uint8, 1, 1)
	if got, want := encode(NewColumns(&b.layout, nil, ColumnOptions{NoHeaders: true}), b.record()),
		"[0xa,0xff]       [10,-1]          1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFixedColumns(t *testing.T) {
	b := &builder{}
	f := b.add("a", CString, 8, "12345678")
	f.Column = Column{Width: 8, Fixed: true}
	b.add("b", CString, 16, "123456789abcdef").Column = Column{Width: 16}
	for width, want := range map[int]string{
		100: "12345678 123456789abcdef\n",
		19:  "12345678 123456789…\n",
		11:  "12345… 123…\n", // no room for both: Fixed gives way too
	} {
		e := NewColumns(&b.layout, nil, ColumnOptions{Width: width, NoHeaders: true})
		if got := encode(e, b.record()); got != want {
			t.Errorf("width %d: got %q, want %q", width, got, want)
		}
	}
}

// Tables of several data sources have their names above them, in files too.
func TestColumnsNamed(t *testing.T) {
	b := &builder{}
	b.add("n", Uint8, 1, 7)
	const want = "counts:\nN\n7\n\ncounts:\nN\n\n"
	e := NewColumns(&b.layout, nil, ColumnOptions{Name: "counts"})
	if got := encode(e, b.record()) + encode(e); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e = NewColumns(&b.layout, nil, ColumnOptions{Name: "counts", NoHeaders: true})
	if got, want := encode(e, b.record()), "7\n"; got != want {
		t.Errorf("without headers: got %q, want %q", got, want)
	}
}

// A column may show the value of another field; JSON has the fields as they are.
func TestColumnsReplace(t *testing.T) {
	b := &builder{layout: Layout{Fields: make([]Field, 0, 2)}}
	code := b.add("code", Uint8, 1, 7)
	name := b.add("name", CString, 8, "seven")
	name.Hidden, code.Column.Replace = true, name
	if got, want := encode(NewColumns(&b.layout, nil, ColumnOptions{}), b.record()), "CODE\nseven\n"; got != want {
		t.Errorf("columns: got %q, want %q", got, want)
	}
	if got, want := encode(NewJSON(&b.layout, nil, JSONOptions{}), b.record()), `{"code":7,"name":"seven"}`+"\n"; got != want {
		t.Errorf("JSON: got %s, want %s", got, want)
	}
}

// The value of an environment variable is text like any other.
func TestEnvVar(t *testing.T) {
	b := &builder{}
	b.add("node", EnvVar, 0, nil).Format = "NODE"
	b.add("none", EnvVar, 0, nil).Format = "UNSET"
	env := &Env{Vars: map[string]string{"NODE": "n\x1b1"}}
	for _, tt := range []struct{ name, got, want string }{
		{"columns", encode(NewColumns(&b.layout, env, ColumnOptions{NoHeaders: true}), b.record()), `n\x1b1` + "\n"},
		{"JSON", encode(NewJSON(&b.layout, env, JSONOptions{}), b.record()), `{"node":"n\u001b1","none":""}` + "\n"},
		{"YAML", encode(NewYAML(&b.layout, env), b.record()), "---\nnode: \"n\\u001b1\"\nnone: \"\"\n"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

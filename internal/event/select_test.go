package event

import (
	"strings"
	"testing"
)

func TestSelect(t *testing.T) {
	l := &Layout{Name: "open", Fields: []Field{
		{Name: "fname", Kind: CString},
		{Name: "proc.comm", Kind: CString, Column: Column{Title: "comm"}},
		{Name: "proc.pid", Kind: Uint32, Column: Column{Title: "pid"}},
		{Name: "proc.uid", Kind: Uint32, Hidden: true},
		{Name: "error_raw", Kind: Uint32, Hidden: true},
		{Name: "secret.a", Kind: Uint32, Hidden: true},
		{Name: "secret.b", Kind: Uint32, Hidden: true},
		{Name: "runtime", Kind: Invalid},
		{Name: "runtime.containerName", Kind: FromContainer, Attr: RuntimeContainerName, Order: -27},
	}}
	for _, tt := range []struct{ spec, want string }{
		{"", "runtime.containerName fname proc.comm proc.pid"},
		{" , ", "runtime.containerName fname proc.comm proc.pid"},
		{"fname,error_raw", "fname error_raw"},
		{"error_raw, fname", "error_raw fname"},
		{"fname,fname", "fname"},
		{"+error_raw,-fname", "runtime.containerName proc.comm proc.pid error_raw"},
		{"-error_raw", "runtime.containerName fname proc.comm proc.pid"},
		{"proc", "proc.comm proc.pid"},
		{"proc.uid,proc", "proc.uid proc.comm proc.pid"},
		{"secret", "secret.a secret.b"},
		{"-proc,+proc.uid", "runtime.containerName fname proc.uid"},
		{"fname,+secret,-secret.a", "fname secret.b"},
		{"-runtime", "fname proc.comm proc.pid"},
		{"pid,COMM", "proc.pid proc.comm"},
	} {
		fields, err := Select(l, tt.spec)
		var names []string
		for _, f := range fields {
			names = append(names, f.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != tt.want {
			t.Errorf("%q: got %q, %v; want %q", tt.spec, got, err, tt.want)
		}
	}
	for _, tt := range []struct{ spec, want string }{
		{"fnam", `data source "open" has no field "fnam": did you mean "fname"?`},
		{"+uid", `data source "open" has no field "uid": did you mean "proc.uid"?`},
		{"zzz", `data source "open" has no field "zzz": gadget run IMAGE --help lists the fields`},
		{"fname,+", `data source "open" has no field "": gadget run IMAGE --help lists the fields`},
	} {
		if _, err := Select(l, tt.spec); err == nil || err.Error() != tt.want {
			t.Errorf("%q: got %v, want %s", tt.spec, err, tt.want)
		}
	}
}

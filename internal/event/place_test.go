package event

import (
	"encoding/binary"
	"testing"
)

func TestUnitOf(t *testing.T) {
	for path, want := range map[string]string{
		"":                                   "",
		"/":                                  "",
		"/user.slice":                        "",
		"/system.slice/nginx.service":        "nginx.service",
		"/system.slice/nginx.service/":       "nginx.service",
		"/system.slice/nginx.service/a/b":    "nginx.service",
		"/a.service/b.scope/c":               "b.scope",
		"/system.slice/nginx.service.d":      "",
		"/system.slice/docker-01ab.scope":    "docker-01ab.scope",
		"nginx.service":                      "nginx.service",
		"/user.slice/user@0.service/x.slice": "user@0.service",
	} {
		if got := UnitOf(path); got != want {
			t.Errorf("%q is of unit %q, want %q", path, got, want)
		}
	}
}

// Where a process runs is asked for by its id; where nobody knows, the container says.
func TestPlace(t *testing.T) {
	unit := Field{Kind: Unit, Offset: 4, Size: 4}
	cgroup := unit
	cgroup.Kind = Cgroup
	web := &Container{CgroupPath: "/docker.service/web"}
	env := &Env{Place: func(pid uint32) (string, string) {
		if pid == 7 {
			return "a.service", "/a.service"
		}
		return "", ""
	}}
	for _, tt := range []struct {
		name         string
		env          *Env
		pid          uint32
		c            *Container
		unit, cgroup string
	}{
		{"known", env, 7, nil, "a.service", "/a.service"},
		{"known, in a container", env, 7, web, "a.service", "/a.service"},
		{"of a container", env, 8, web, "docker.service", "/docker.service/web"},
		{"nobody to ask", &Env{}, 7, web, "docker.service", "/docker.service/web"},
		{"of nobody", env, 8, nil, "", ""},
	} {
		rec := &Record{Raw: binary.NativeEndian.AppendUint32(make([]byte, 4), tt.pid), Container: tt.c}
		f := NewFormatter(tt.env)
		if u, c := string(f.Append(nil, &unit, rec)), string(f.Append(nil, &cgroup, rec)); u != tt.unit || c != tt.cgroup {
			t.Errorf("%s: unit %q cgroup %q", tt.name, u, c)
		}
		buf := make([]byte, 0, 64)
		if n := testing.AllocsPerRun(10, func() { f.Append(buf, &cgroup, rec) }); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}

package process

import (
	"testing"

	"github.com/gadget-bpf/gadget/runner/container"
)

func patterns(t *testing.T, list string) container.Patterns {
	t.Helper()
	if list == "" {
		return nil
	}
	p, err := container.ParsePatterns(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestChoice(t *testing.T) {
	const nginx = "/system.slice/nginx.service"
	for _, tt := range []struct {
		units, cgroups, path string
		want                 bool
	}{
		{"nginx.service", "", nginx, true},
		{"nginx", "", nginx, true},
		{"nginx", "", nginx + "/worker", true},
		{"ngin*", "", nginx, true},
		{"nginx", "", "/system.slice/nginx.socket.service", false},
		{"nginx", "", "/nginx.slice", false},
		{"*", "", "/user.slice", false}, // of no unit
		{"!nginx", "", "/user.slice", true},
		{"db,nginx", "", nginx, true},
		{"*.service,!nginx", "", nginx, false},
		{"!nginx", "", "/system.slice/db.service", true},
		{"session-3.scope", "", "/user.slice/user-0.slice/session-3.scope", true},
		{"session-3", "", "/user.slice/user-0.slice/session-3.scope", false},
		{"user@0", "", "/user.slice/user-0.slice/user@0.service/app.slice", true},
		{"user@0", "", "/user.slice/user-0.slice/user@0.service/app.slice/dbus.service", false},
		{"dbus", "", "/user.slice/user-0.slice/user@0.service/app.slice/dbus.service", true},

		{"", "/system.slice", nginx, true},
		{"", "/system.slice", "/system.slice", true},
		{"", "/system", nginx, false},
		{"", "/system.slice/*.service", nginx + "/worker", true},
		{"", "/system.slice,!" + nginx, nginx + "/worker", false},
		{"", "/", "/", true},

		{"nginx", "/user.slice", nginx, false},
		{"nginx", "/system.slice", nginx, true},
		{"", "", nginx, false},
	} {
		c := Choice{Units: patterns(t, tt.units), Cgroups: patterns(t, tt.cgroups)}
		if got := c.matches(tt.path); got != tt.want {
			t.Errorf("unit %q cgroup %q: %s matches: %v", tt.units, tt.cgroups, tt.path, got)
		}
	}
}

func TestOwnPath(t *testing.T) {
	for _, tt := range []struct{ name, file, want string }{
		{"unified", "0::/system.slice/a.service\n", "/system.slice/a.service"},
		{"hybrid", "5:pids:/x\n1:name=systemd:/system.slice/b.service\n0::/system.slice/a.service\n", "/system.slice/a.service"},
		{"systemd before it used the unified one", "5:pids:/x\n1:name=systemd:/system.slice/b.service\n0::/\n", "/system.slice/b.service"},
		{"no systemd", "9:name=systemd:/\n5:pids:/\n4:memory:/lxc/1\n3:cpu:/other\n0::/\n", "/lxc/1"},
		{"nowhere", "9:name=systemd:/\n0::/\n", "/"},
		{"version 1 only", "4:memory:/lxc/1\n", "/lxc/1"},
		{"colons in a name", "0::/a:b/c\n", "/a:b/c"},
		{"garbage", "x\n\n::\n", ""},
		{"empty", "", ""},
	} {
		if got := ownPath([]byte(tt.file)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

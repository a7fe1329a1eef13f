package process

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
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

// Whatever a file says, there is one path at most, of those in it, and none of its
// ancestors is longer.
func FuzzOwnPath(f *testing.F) {
	f.Add([]byte("5:pids:/x\n1:name=systemd:/system.slice/b.service\n0::/\n"))
	f.Add([]byte("0::/a.service/b\n"))
	f.Add([]byte("::"))
	f.Fuzz(func(t *testing.T, file []byte) {
		path := ownPath(file)
		if !bytes.Contains(file, []byte(path)) {
			t.Fatalf("%q is not in the file", path)
		}
		for _, p := range ancestors(path) {
			if !strings.HasPrefix(path, p) {
				t.Errorf("%q is not above %q", p, path)
			}
		}
		for _, name := range unitNames(path) {
			if !strings.Contains(path, name) {
				t.Errorf("unit %q of %q", name, path)
			}
		}
		(&Choice{Units: container.Patterns{"?*"}, Cgroups: container.Patterns{"/*"}}).matches(path)
	})
}

func TestFindMounts(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		want       mounts
	}{
		{"unified", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n", mounts{unified: "/sys/fs/cgroup"}},
		{"hybrid", "1 2 0:1 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" +
			"3 2 0:2 / /sys/fs/cgroup/systemd rw shared:1 - cgroup cgroup rw,xattr,name=systemd\n" +
			"4 2 0:3 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n" +
			"5 2 0:4 / /tmp rw - tmpfs tmpfs rw\n",
			mounts{unified: "/sys/fs/cgroup/unified", systemd: "/sys/fs/cgroup/systemd", others: []string{"/sys/fs/cgroup/pids"}}},
		{"none", "5 2 0:4 / /tmp rw - tmpfs tmpfs rw\n\n - cgroup2\n", mounts{}},
	} {
		file := filepath.Join(t.TempDir(), "mountinfo")
		if err := os.WriteFile(file, []byte(tt.file), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := findMounts(file)
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

// The kernel can choose where the unified hierarchy has what is asked for.
func TestMountsDecide(t *testing.T) {
	dir := t.TempDir()
	m := mounts{unified: dir + "/unified", systemd: dir + "/systemd", others: []string{dir + "/pids"}}
	for _, d := range []string{"unified", "systemd", "pids/lxc"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	decides := func(units, cgroups string, want bool) {
		t.Helper()
		if got := m.decides(&Choice{Units: patterns(t, units), Cgroups: patterns(t, cgroups)}); got != want {
			t.Errorf("units %q, cgroups %q: the unified hierarchy decides: %v", units, cgroups, got)
		}
	}
	decides("nginx", "", true)
	decides("", "/lxc", false)
	decides("", "/later", true)
	if err := os.Mkdir(dir+"/systemd/system.slice", 0o755); err != nil {
		t.Fatal(err)
	}
	decides("nginx", "", false)
	if err := os.Mkdir(dir+"/unified/system.slice", 0o755); err != nil {
		t.Fatal(err)
	}
	decides("nginx", "", true)
	decides("", "/system.slice", true)
	m.unified = ""
	decides("nginx", "", false)
}

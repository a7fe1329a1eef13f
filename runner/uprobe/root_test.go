package uprobe

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRoot resolves paths in a directory in both ways: nothing leads out of it.
func TestRoot(t *testing.T) {
	outside := t.TempDir()
	dir := filepath.Join(outside, "root")
	for _, d := range []string{"usr/lib", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "usr/lib/libc.so.6"), "ours")
	write(filepath.Join(outside, "secret"), "theirs")
	write(filepath.Join(dir, "secret"), "ours")
	for link, target := range map[string]string{
		"lib":             "usr/lib",
		"usr/lib/libc.so": "libc.so.6",
		"absolute":        "/usr/lib/libc.so",
		"up":              "../../../../../secret",
		"usr/up":          "../../secret",
		"outside":         outside + "/secret",
		"loop":            "loop",
		"magic":           "/proc/self/exe",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, stepwise := range []bool{false, true} {
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		r := &root{dir: f, stepwise: stepwise}
		for name, want := range map[string]string{
			"/usr/lib/libc.so.6": "ours", "/lib/libc.so": "ours", "absolute": "ours", "/../lib/../lib/libc.so.6": "ours",
			"/up": "ours", "/usr/up": "ours", "/secret": "ours",
		} {
			if got, err := r.content(name, 100); err != nil || string(got) != want {
				t.Errorf("stepwise %v, %s: %q, %v", stepwise, name, got, err)
			}
		}
		for name, want := range map[string]error{
			"/outside": fs.ErrNotExist, "/nothing": fs.ErrNotExist, "/secret/x": syscall.ENOTDIR, "/loop": syscall.ELOOP, "/magic": fs.ErrNotExist,
		} {
			if got, err := r.content(name, 100); !errors.Is(err, want) {
				t.Errorf("stepwise %v, %s: %q, %v, want %v", stepwise, name, got, err, want)
			}
		}
		for _, name := range []string{"/fifo", "/usr"} {
			if _, err := r.content(name, 100); err == nil || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("stepwise %v, %s: %v", stepwise, name, err)
			}
		}
		names, err := r.entries("/lib", 100)
		if slices.Sort(names); err != nil || !slices.Equal(names, []string{"libc.so", "libc.so.6"}) {
			t.Errorf("stepwise %v: %q, %v", stepwise, names, err)
		}
		r.close()
	}
}

func TestMappings(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(self)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	err = mappingsOf(os.Getpid(), func(m mapping) {
		if m.path == self {
			found = m.inode == st.Sys().(*syscall.Stat_t).Ino && m.pid == os.Getpid() && m.end > m.start
		}
	})
	if err != nil || !found {
		t.Errorf("this program is not among its mappings: %v", err)
	}
	for line, want := range map[string]mapping{
		"55d0-55e0 r-xp 00001000 fe:01 123 /bin/a b (deleted)\n": {start: 0x55d0, end: 0x55e0, offset: 0x1000, major: 0xfe, minor: 1, inode: 123, path: "/bin/a b (deleted)"},
		"0-1 r-xp 00000000 00:00 0 \n":                           {end: 1},
		`1-2 r-xp 0 0:0 5                  /a\012b`:              {start: 1, end: 2, inode: 5, path: "/a\nb"},
	} {
		if got, err := parseMapping(line); err != nil || got != want {
			t.Errorf("%q: %+v, %v", line, got, err)
		}
	}
}

func FuzzMapping(f *testing.F) {
	f.Add("55d0-55e0 r-xp 00001000 fe:01 123       /bin/a b (deleted)\n")
	f.Fuzz(func(t *testing.T, line string) {
		m, err := parseMapping(line)
		if err == nil && len(m.path) > len(line) {
			t.Errorf("%+v", m)
		}
	})
}

// TestWatch sees a program that is started, and its loader.
func TestWatch(t *testing.T) {
	needRoot(t)
	w, err := watchMappings()
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	stop := time.AfterFunc(10*time.Second, w.stop)
	defer stop.Stop()
	program, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := program.Wait(); err != nil {
		t.Fatal(err)
	}
	found := false
	for !found && w.wait() {
		w.read(func(m mapping) {
			found = found || m.pid == program.Pid && filepath.Base(m.path) == "true" && m.inode != 0 && m.end > m.start
		})
	}
	if !found {
		t.Error("no word of /bin/true within 10 s")
	}
	w.stop()
	if w.wait() {
		t.Error("it waits after stop")
	}
}

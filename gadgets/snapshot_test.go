package gadgets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/schemas"
)

// snapshot runs a gadget that ends by itself on the whole machine, and returns its
// rows.
func snapshot(t *testing.T, dir string, params map[string]string) []map[string]any {
	t.Helper()
	return snapshotOf(t, planGadget(t, dir), runner.Options{Params: params, Host: true})
}

// planGadget builds a gadget for this machine.
func planGadget(t *testing.T, dir string) *plan.Plan {
	t.Helper()
	needRoot(t)
	img, md := buildGadget(t, dir, "")
	p, err := plan.New(img.Platform(runtime.GOARCH).Layer(schemas.MediaTypeProgram).Data, md)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// snapshotOf runs a gadget with these options, but for those of the output, until
// it ends, and returns the rows of all its tables.
func snapshotOf(t *testing.T, p *plan.Plan, o runner.Options) []map[string]any {
	t.Helper()
	return rowsDuring(t, p, o, nil)
}

// rowsDuring is snapshotOf for a gadget that ends when do has ended.
func rowsDuring(t *testing.T, p *plan.Plan, o runner.Options, do func()) []map[string]any {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if do != nil {
		o.Ready = func() { do(); stop() }
	}
	var out bytes.Buffer
	o.Out = &out
	o.Encoder = func(s *plan.Source, env *event.Env) (event.Encoder, error) {
		return event.NewJSON(s.Layout, env, event.JSONOptions{}), nil
	}
	report, err := runner.Run(ctx, p, o)
	if err != nil {
		t.Fatalf("%+v (report %+v)", err, report)
	}
	gadgettest.CheckSchema(t, p.Sources[0].Layout, event.JSONOptions{}, out.Bytes())
	var all []map[string]any
	for line := range bytes.Lines(out.Bytes()) {
		var rows []map[string]any
		if err := json.Unmarshal(line, &rows); err != nil {
			t.Fatalf("%v: %.500s", err, line)
		}
		all = append(all, rows...)
	}
	return all
}

// where returns the rows with these values.
func where(rows []map[string]any, values map[string]any) []map[string]any {
	var found []map[string]any
	for _, row := range rows {
		matches := true
		for name, v := range values {
			matches = matches && row[name] == v
		}
		if matches {
			found = append(found, row)
		}
	}
	return found
}

func TestSnapshotProcess(t *testing.T) {
	needRoot(t)
	cmd := exec.Command("/bin/sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 54321, Gid: 54322}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var ns unix.Stat_t
	// Not that of this process, whose threads other tests may have moved.
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/mnt", cmd.Process.Pid), &ns); err != nil {
		t.Fatal(err)
	}
	thread, done := make(chan int), make(chan struct{})
	defer close(done)
	go func() {
		runtime.LockOSThread() // never undone: the thread ends with its function
		name, _ := unix.BytePtrFromString("second-thread")
		if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(name)), 0, 0, 0); err != nil {
			t.Error(err)
		}
		thread <- unix.Gettid()
		<-done
	}()
	second, me := float64(<-thread), float64(os.Getpid())

	processes := snapshot(t, "snapshot_process", nil)
	names := []string{"comm", "pid", "tid", "mntns_id", "creds.uid", "creds.gid", "creds.user", "parent.pid"}
	got := where(processes, map[string]any{"pid": float64(cmd.Process.Pid)})
	want := []map[string]any{{
		"comm": "sleep", "pid": float64(cmd.Process.Pid), "tid": float64(cmd.Process.Pid), "mntns_id": float64(ns.Ino),
		"creds.uid": 54321.0, "creds.gid": 54322.0, "creds.user": "uid:54321", "parent.pid": me,
	}}
	for i := range got {
		got[i] = pick(got[i], names...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := len(where(processes, map[string]any{"pid": me})); n != 1 {
		t.Errorf("this process has %d rows without threads", n)
	}

	threads := where(snapshot(t, "snapshot_process", map[string]string{"threads": "true"}), map[string]any{"pid": me})
	if rows := where(threads, map[string]any{"tid": second, "comm": "second-thread"}); len(rows) != 1 {
		t.Errorf("thread %v has %d rows among %d", second, len(rows), len(threads))
	}
	if rows := where(threads, map[string]any{"tid": me}); len(rows) != 1 {
		t.Errorf("the first thread has %d rows", len(rows))
	}
}

// The rows of this process are those of /proc/self/fd, and have what was opened.
func TestSnapshotFile(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	want := map[float64]map[string]any{}
	add := func(fd int, err error, kind, flags string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			t.Fatal(err)
		}
		want[float64(fd)] = map[string]any{"path": path, "type": kind, "flags": flags}
	}
	long := filepath.Join(dir, strings.Repeat("n", 255))
	fd, err := unix.Open(long, unix.O_CREAT|unix.O_RDWR|unix.O_APPEND, 0o600)
	add(fd, err, "regular_file", "O_RDWR|O_APPEND")
	fd, err = unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	add(fd, err, "directory", "O_RDONLY|O_DIRECTORY")
	fd, err = unix.Open("/dev/null", unix.O_WRONLY, 0)
	add(fd, err, "character_device", "O_WRONLY")
	fd, err = unix.Eventfd(0, unix.EFD_NONBLOCK)
	add(fd, err, "anonymous", "O_RDWR|O_NONBLOCK")
	pipe := make([]int, 2)
	err = unix.Pipe(pipe)
	add(pipe[0], err, "fifo", "O_RDONLY")
	add(pipe[1], err, "fifo", "O_WRONLY")
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	add(fd, err, "socket", "O_RDWR|O_NONBLOCK")

	const sockets, fifos = 1 << 12, 1 << 1
	pid := fmt.Sprint(os.Getpid())
	tests := []struct {
		name   string
		params map[string]string
		want   func(row map[string]any) map[string]any
	}{
		{"all", map[string]string{"pid": pid}, func(row map[string]any) map[string]any { return row }},
		{"types", map[string]string{"pid": pid, "type-mask": fmt.Sprint(sockets + fifos)}, func(row map[string]any) map[string]any {
			if row["type"] != "socket" && row["type"] != "fifo" {
				return nil
			}
			return row
		}},
		{"without paths", map[string]string{"paths": "false"}, func(row map[string]any) map[string]any {
			return map[string]any{"path": "", "type": row["type"], "flags": row["flags"]}
		}},
		{"another process", map[string]string{"pid": "2"}, func(map[string]any) map[string]any { return nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rows := snapshot(t, "snapshot_file", tt.params)
			for fd, row := range want {
				var expected []map[string]any
				if r := tt.want(row); r != nil {
					expected = append(expected, r)
				}
				var got []map[string]any
				for _, row := range where(rows, map[string]any{"pid": float64(os.Getpid()), "fd": fd}) {
					// O_LARGEFILE is what the C library of a 64-bit machine leaves out.
					row["flags"] = strings.Replace(row["flags"].(string), "|O_LARGEFILE", "", 1)
					got = append(got, pick(row, "path", "type", "flags"))
				}
				if diff := cmp.Diff(expected, got); diff != "" {
					t.Errorf("descriptor %v: -want +got:\n%s", fd, diff)
				}
			}
		})
	}
}

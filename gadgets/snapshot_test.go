package gadgets_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/schemas"
)

// snapshot runs a gadget that ends by itself, and returns its rows.
func snapshot(t *testing.T, dir string, params map[string]string) []map[string]any {
	t.Helper()
	needRoot(t)
	img, md := buildGadget(t, dir, "")
	p, err := plan.New(img.Platform("amd64").Layer(schemas.MediaTypeProgram).Data, md)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	report, err := runner.Run(t.Context(), p, runner.Options{
		Params: params, Host: true, Out: &out,
		Encoder: func(s *plan.Source, env *event.Env) (event.Encoder, error) {
			return event.NewJSON(s.Layout, env, event.JSONOptions{}), nil
		},
	})
	if err != nil {
		t.Fatalf("%+v (report %+v)", err, report)
	}
	var rows []map[string]any
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil {
		t.Fatalf("%v: %.500s", err, &out)
	}
	return rows
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
	if err := unix.Stat("/proc/self/ns/mnt", &ns); err != nil {
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

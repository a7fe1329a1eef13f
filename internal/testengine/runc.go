package testengine

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Runc makes containers with runc, or a program with the same command line, and
// with no engine. Their state is where runc keeps it.
type Runc struct {
	dir, program string
}

// NewRunc makes the root directory of the containers, for the test.
func NewRunc(t testing.TB, program string) *Runc {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("containers need root")
	}
	busybox, err := readBusybox()
	if err != nil {
		t.Fatal(err)
	}
	r := &Runc{dir: t.TempDir(), program: program}
	for _, dir := range []string{"bin", "proc", "sys", "dev", "tmp"} {
		if err := os.MkdirAll(filepath.Join(r.dir, "rootfs", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range tinyFiles(busybox) {
		path := filepath.Join(r.dir, "rootfs", f.Name)
		if f.Link != "" {
			err = os.Symlink(f.Link, path)
		} else {
			err = os.WriteFile(path, f.Content, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// Command is the command line that runs a container in the foreground.
func (r *Runc) Command(t testing.TB, name string, command ...string) *exec.Cmd {
	t.Helper()
	bundle := filepath.Join(r.dir, name)
	if err := os.MkdirAll(bundle, 0o755); err != nil {
		t.Fatal(err)
	}
	do(t, exec.Command(r.program, "spec", "--bundle", bundle))
	file := filepath.Join(bundle, "config.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	process := config["process"].(map[string]any)
	process["args"], process["terminal"] = command, false
	delete(process, "rlimits") // Raising limits is not permitted everywhere.
	config["root"] = map[string]any{"path": filepath.Join(r.dir, "rootfs"), "readonly": true}
	if text, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return exec.Command(r.program, "run", "--bundle", bundle, name)
}

// Start runs a container until the returned function is called, or the test ends.
func (r *Runc) Start(t testing.TB, name string, command ...string) (stop func()) {
	t.Helper()
	cmd := r.Command(t, name, command...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // It is killed.
		close(ended)
	}()
	stop = func() {
		for {
			// What is about to start cannot be killed yet.
			_ = exec.Command(r.program, "kill", name, "KILL").Run()
			select {
			case <-ended:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/internal/detached"
)

// TestUnit: systemd finds no fault with a unit, and reads the words that were given.
func TestUnit(t *testing.T) {
	s := &detached.State{
		Name: "execs", Directory: "/", Env: map[string]string{"GADGET_PARAM_COMM": "a b", "GADGET_RUNS": "/x"},
		Args: []string{"-v", "run", "-d", "trace_exec", "--name", "execs", "--runs=/x", "-F", `proc.comm == "100% $x"`, "--ready-file", "/r", "--replace", "--host"},
	}
	unit := unitText("/bin/true", "/run/gadget", s)
	for _, want := range []string{
		`ExecStart=/bin/true run --detach --no-fork --replace --name=execs --runs=/run/gadget -v trace_exec -F "proc.comm == \"100%% $$x\"" --host` + "\n",
		`Environment="GADGET_PARAM_COMM=a b"` + "\n", "Type=notify\n",
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("there is no %q in\n%s", want, unit)
		}
	}
	if strings.Contains(unit, "GADGET_RUNS") {
		t.Error("the directory is given twice")
	}
	file := filepath.Join(t.TempDir(), "gadget-execs.service")
	if err := os.WriteFile(file, []byte(unit), 0o644); err != nil {
		t.Fatal(err)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || strings.Contains(string(out), "gadget-execs") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// TestNotify: a supervisor is told when everything is attached, and which process it is.
func TestNotify(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := &app{streams: streams{env: func(key string) (string, bool) { return name, key == "NOTIFY_SOCKET" }}}
	self, err := detached.Self()
	if err != nil {
		t.Fatal(err)
	}
	other := &detached.Run{State: &detached.State{ID: "1", Process: detached.Process{PID: 1}}}
	for _, c := range []struct {
		run  *detached.Run
		want string
	}{
		{nil, "READY=1"},
		{&detached.Run{State: &detached.State{ID: "1", Process: self}}, "READY=1"},
		{other, "MAINPID=1\nREADY=1"},
	} {
		if err := (&readyOptions{fd: -1}).tell(a, c.run); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, err := l.Read(buf)
		if got := string(buf[:n]); got != c.want || err != nil {
			t.Errorf("told %q, want %q: %v", got, c.want, err)
		}
	}
}

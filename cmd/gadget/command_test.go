package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/testterminal"
)

// Ctrl-C on a terminal reaches the command once, and does not end the trace: the
// command does.
func TestCommandOnTerminal(t *testing.T) {
	gadgettest.NeedRoot(t)
	if images, err := builtIns(); images == nil || err != nil {
		t.Skip("needs the built-in gadgets")
	}
	term := testterminal.New(t, 60, 8)
	cmd := exec.Command("gadget", "run", "trace_exec", "-o", "none", "--", "sh", "-c",
		`trap 'echo caught' INT; echo begun; for i in 1 2; do read line; echo "read $line"; done; exit 5`)
	cmd.Env = append(os.Environ(), "GADGET_STORE="+t.TempDir(), "TERM=xterm")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.Device, term.Device, term.Device
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	term.Shows("begun\n")
	term.Press("\x03")
	term.Shows("begun\n^Ccaught\nread\n")
	term.Press("a\r")
	_ = cmd.Wait() // The code says it.
	if code := cmd.ProcessState.ExitCode(); code != 5 {
		t.Errorf("exit code %d, the command's is 5", code)
	}
	term.Shows("begun\n^Ccaught\nread\na\nread a\n")
}

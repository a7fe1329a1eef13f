package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/testterminal"
)

// TestRedraw runs a top on terminals, as people do, and leaves it in every way.
func TestRedraw(t *testing.T) {
	gadgettest.NeedRoot(t)
	store := t.TempDir()
	build := exec.Command("gadget", "image", "build", "-t", "counts", "--platform", "linux/"+runtime.GOARCH, "../../runner/testdata/counts")
	build.Env = append(os.Environ(), "GADGET_STORE="+store)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	callGetpriority(t)
	start := func(t *testing.T, term string, args ...string) *topRun {
		return startTop(t, []string{"GADGET_STORE=" + store, "TERM=" + term}, args)
	}

	t.Run("keys", func(t *testing.T) {
		t.Parallel()
		r := start(t, "xterm", "--sort=-argument")
		r.term.Device.WriteString("$ gadget run counts\n")
		r.term.Shows(descending)
		r.term.Press("r")
		r.term.Shows(ascending)
		r.term.Press(">")
		r.term.Shows(strings.Replace(descending, "argument ↓", "node ↑", 1))
		r.term.Resize(30, 4)
		r.term.Shows("ARGUMENT       NODE\n7              n1\n6              n1\n2 of 3 rows by node ↑   < > s…\n")
		r.term.Press("q")
		r.ends(0)
		r.term.Shows("ARGUMENT       NODE\n7              n1\n6              n1\n")
		if scrolled := r.term.State().Scrolled; len(scrolled) == 0 || scrolled[0] != "$ gadget run counts" {
			t.Errorf("what was there has not scrolled up: %q", scrolled)
		}
	})
	for name, tt := range map[string]struct {
		leave func(r *topRun)
		code  int
	}{
		"ctrl-c":  {func(r *topRun) { r.term.Press("\x03") }, 130},
		"sigterm": {func(r *topRun) { r.cmd.Process.Signal(unix.SIGTERM) }, 130},
		"ctrl-\\": {func(r *topRun) { r.term.Press("\x1c") }, 2},
		"sighup":  {func(r *topRun) { r.cmd.Process.Signal(unix.SIGHUP) }, -1},
		"twice": {func(r *topRun) {
			r.cmd.Process.Signal(unix.SIGTERM)
			r.cmd.Process.Signal(unix.SIGINT)
		}, 130},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, "xterm", "--sort=-argument")
			r.term.Shows(descending)
			tt.leave(r)
			r.ends(tt.code)
		})
	}
	t.Run("timeout", func(t *testing.T) {
		t.Parallel()
		r := start(t, "xterm", "--sort=argument", "--timeout", "1s")
		r.ends(0)
		table, _, _ := strings.Cut(ascending, "\n\n")
		r.term.Shows(table + "\n")
	})
	for name, args := range map[string][]string{"dumb": nil, "--no-redraw": {"--no-redraw"}, "json": {"-o", "json"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := "xterm"
			if name == "dumb" {
				kind = name
			}
			r := start(t, kind, append(args, "--count", "2", "--color", "never")...)
			r.ends(0)
			if n := r.term.State().Controls; n > 0 {
				t.Errorf("%d control sequences on\n%s", n, r.term.Text())
			}
			if !strings.Contains(r.term.Text(), "7") {
				t.Errorf("no table in\n%s", r.term.Text())
			}
		})
	}
}

const (
	descending = `
ARGUMENT             NODE
7                    n1
6                    n1
5                    n1



3 of 3 rows by argument ↓   < > sort   r reverse   q quit
`
	ascending = `
ARGUMENT             NODE
5                    n1
6                    n1
7                    n1



3 of 3 rows by argument ↑   < > sort   r reverse   q quit
`
)

// callGetpriority makes the calls that the top counts, with three arguments, until
// the test ends.
func callGetpriority(t *testing.T) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			for argument := range uintptr(3) {
				unix.Syscall(unix.SYS_GETPRIORITY, argument+5, 0, 0)
			}
			select {
			case <-end:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		close(end)
		<-ended
	})
}

// topRun is `gadget run counts` in a terminal.
type topRun struct {
	t    *testing.T
	term *testterminal.Terminal
	cmd  *exec.Cmd
	mode unix.Termios
}

func startTop(t *testing.T, env, args []string) *topRun {
	t.Helper()
	r := &topRun{t: t, term: testterminal.New(t, 60, 8)}
	r.mode = r.term.Mode()
	r.cmd = exec.Command("gadget", append([]string{
		"run", "counts", "--host", "--interval", "300ms", "--fields", "argument,node",
		"--annotate", "counts:env.fields.node=NODE", "--env-vars", "NODE",
		"--target", fmt.Sprint(os.Getpid()), "--syscall_nr", fmt.Sprint(unix.SYS_GETPRIORITY),
	}, args...)...)
	r.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "NODE=n1"}, env...)
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = r.term.Device, r.term.Device, r.term.Device
	r.cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.cmd.ProcessState == nil {
			r.cmd.Process.Kill()
			r.cmd.Wait()
		}
	})
	return r
}

// ends waits for the end of the run, and checks that it leaves the terminal as it
// was. The code is -1 for a run that a signal has killed.
func (r *topRun) ends(code int) {
	r.t.Helper()
	late := time.AfterFunc(20*time.Second, func() { r.cmd.Process.Kill() })
	err := r.cmd.Wait()
	if !late.Stop() {
		r.t.Fatal("the run does not end")
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		r.t.Errorf("exit code %d, want %d; on the terminal\n%s", got, code, r.term.Text())
	}
	if got := r.term.Mode(); got != r.mode {
		r.t.Errorf("terminal settings %+v, want %+v", got, r.mode)
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		state := r.term.State()
		if state.Cursor && state.Wraps {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("state %+v, want cursor and wrapping", state)
		}
	}
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// heldVerb makes this program become another one, once it is told to: the command
// of gadget run -- COMMAND exists, with its process id, before anything of it runs.
const heldVerb = "__held"

// Descriptors of a process that is held.
const (
	gateFD   = 3 // it reads heldCommand, and later the byte that lets it go
	statusFD = 4 // it writes ready, or what is wrong
)

// ready is what a held process says once it only waits.
const ready = "ready\n"

// heldCommand is what a held process becomes.
type heldCommand struct {
	Path      string
	Args, Env []string
	// User is who it runs as, nil for whoever started it.
	User *identity
}

// identity is a user of this machine, with all groups.
type identity struct {
	UID, GID int
	Groups   []int
}

// becomeHeld is the life of a held process. It returns only when it could not
// become the command; the status says why.
func becomeHeld() exitCode {
	gate, status := os.NewFile(gateFD, "gate"), os.NewFile(statusFD, "status")
	if gate == nil || status == nil {
		return exitCommandFailure
	}
	unix.CloseOnExec(gateFD)
	unix.CloseOnExec(statusFD)
	var c heldCommand
	err := json.NewDecoder(gate).Decode(&c)
	if err == nil {
		err = c.User.assume()
	}
	if err != nil {
		fmt.Fprintln(status, err)
		return exitCommandFailure
	}
	io.WriteString(status, ready)
	// Nothing may run here any more but this read and the exec: what it does is
	// already seen as the command's. Without a byte whoever holds it has ended.
	if n, _ := gate.Read(make([]byte, 1)); n == 0 {
		return exitCommandFailure
	}
	fmt.Fprintln(status, syscall.Exec(c.Path, c.Args, c.Env))
	return exitCommandFailure
}

// assume makes the process that of a user.
func (id *identity) assume() error {
	if id == nil {
		return nil
	}
	if err := syscall.Setgroups(id.Groups); err != nil {
		return fmt.Errorf("set groups: %w", err)
	}
	if err := syscall.Setgid(id.GID); err != nil {
		return fmt.Errorf("set group: %w", err)
	}
	if err := syscall.Setuid(id.UID); err != nil {
		return fmt.Errorf("set user: %w", err)
	}
	return nil
}

// child is the command of a run.
type child struct {
	name string
	cmd  *exec.Cmd
	gate *os.File
	// status is where it says what is wrong until it has become the command.
	status *os.File
	// ended is closed when it has, state is how.
	ended chan struct{}
	state *os.ProcessState
	// released is true once it was told to become the command, refused is why it
	// could not.
	released bool
	refused  error
}

// hold starts a process that is going to be the command, with the streams of s.
func hold(c heldCommand, s streams) (*child, error) {
	gateRead, gate, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("hold %s: %w", c.Args[0], err)
	}
	status, statusWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("hold %s: %w", c.Args[0], err)
	}
	h := &child{name: c.Args[0], gate: gate, status: status, ended: make(chan struct{})}
	h.cmd = exec.Command("/proc/self/exe", heldVerb)
	h.cmd.Args[0] = "gadget"
	if s.in != nil {
		h.cmd.Stdin = s.in
	}
	h.cmd.Stdout, h.cmd.Stderr = s.out, s.err
	h.cmd.ExtraFiles = []*os.File{gateRead, statusWrite}
	err = h.cmd.Start()
	gateRead.Close()
	statusWrite.Close()
	if err != nil {
		return nil, fmt.Errorf("hold %s: %w", c.Args[0], err)
	}
	go func() {
		_ = h.cmd.Wait() // The state says it all.
		h.state = h.cmd.ProcessState
		close(h.ended)
	}()
	if err := h.prepare(c); err != nil {
		h.abandon()
		return nil, fmt.Errorf("start %s: %w", c.Args[0], err)
	}
	return h, nil
}

// prepare tells the process what it is going to be, and waits until it could.
func (h *child) prepare(c heldCommand) error {
	if err := json.NewEncoder(h.gate).Encode(c); err != nil {
		return err
	}
	answer := make([]byte, 256)
	n, err := h.status.Read(answer)
	if text := string(answer[:n]); err == nil && text != ready {
		err = errors.New(strings.TrimSpace(text))
	}
	return err
}

// pid is the process id of the command.
func (h *child) pid() uint32 { return uint32(h.cmd.Process.Pid) }

// release lets the process become the command, and returns when it has, or could
// not.
func (h *child) release() {
	defer h.status.Close()
	h.released = true
	if _, err := h.gate.Write([]byte{1}); err != nil {
		h.refused = err
		return
	}
	h.gate.Close()
	if why, err := io.ReadAll(h.status); err == nil && len(why) > 0 {
		h.refused = errors.New(strings.TrimSpace(string(why)))
	}
}

// abandon ends a process that never became the command.
func (h *child) abandon() {
	h.gate.Close()
	h.status.Close()
	select {
	case <-h.ended:
	case <-time.After(time.Second):
		_ = h.cmd.Process.Kill()
		<-h.ended
	}
}

// exit is the command's exit code as shells count it: 128 and the signal for one
// that a signal ended.
func (h *child) exit() exitCode {
	if status, ok := h.state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitSignal + exitCode(status.Signal())
	}
	return exitCode(h.state.ExitCode())
}

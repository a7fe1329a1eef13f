package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/gadget-bpf/gadget/internal/expect"
)

// scripts runs the shell scripts of one test.
type scripts struct {
	dir, tmp string
	// groups are the process groups of what may still run in the background.
	groups []int
	known  map[string]string
}

func newScripts(dir string) (*scripts, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "gadget-test-")
	if err != nil {
		return nil, err
	}
	// Containers and other users may have to read what a script writes there.
	if err := os.Chmod(tmp, 0o755); err != nil {
		return nil, err
	}
	return &scripts{dir: abs, tmp: tmp, known: map[string]string{"TMP": tmp}}, nil
}

// close ends what the scripts left behind.
func (s *scripts) close() {
	for _, g := range s.groups {
		_ = syscall.Kill(-g, syscall.SIGKILL)
	}
	_ = os.RemoveAll(s.tmp)
}

// run runs a script to its end. What it says is in the error when it fails.
func (s *scripts) run(ctx context.Context, name, script string) error {
	if script == "" {
		return nil
	}
	// A file and not a pipe: what stays in the background must not keep us waiting.
	out, err := os.CreateTemp(s.tmp, ".out-*")
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-eu", "-c", script)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "TMP="+s.tmp, "VARS="+s.varsFile(), "GADGET="+self())
	for key, value := range s.vars() {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run the script: %w", err)
	}
	s.groups = append(s.groups, cmd.Process.Pid)
	s.known[name+"_PID"] = strconv.Itoa(cmd.Process.Pid)
	if err := cmd.Wait(); err != nil {
		said, _ := os.ReadFile(out.Name())
		said = said[max(0, len(said)-2000):]
		return fmt.Errorf("the %s script failed: %w\n%s", strings.ToLower(name), err, bytes.TrimSpace(said))
	}
	return nil
}

// self is the path of this program, for scripts that run it.
func self() string {
	path, err := exec.LookPath(os.Args[0])
	if err != nil {
		return os.Args[0]
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func (s *scripts) varsFile() string { return filepath.Join(s.tmp, ".vars") }

// vars are what ${NAME} stands for so far.
func (s *scripts) vars() map[string]string {
	text, _ := os.ReadFile(s.varsFile())
	vars := expect.Vars(string(text))
	maps.Copy(vars, s.known)
	return vars
}

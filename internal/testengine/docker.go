// Package testengine runs real container engines for tests, apart from those of
// the machine: their own state, their own socket, gone when the test is over.
//
//	Archive          a tiny image, made without a registry, and others on top of it
//	StartDocker      a dockerd with that image
//	StartContainerd  a containerd, with pods as kubelet makes them
//	NewPodman        podman, of root or of a user
//	NewRunc          runc or crun, with no engine at all
package testengine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// startWithin and stopWithin bound the life of a daemon on a busy machine.
	startWithin = 30 * time.Second
	stopWithin  = 15 * time.Second
)

// Docker is a dockerd that belongs to one test.
type Docker struct {
	dir  string
	cmd  *exec.Cmd
	done chan struct{}
	log  *os.File
}

// StartDocker starts a dockerd that has the tiny [Image], and stops it with all
// its containers when the test ends. It skips the test for users who are not
// root, and fails it when something is not installed.
func StartDocker(t testing.TB) *Docker {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("containers need root")
	}
	archive, err := Archive(Image)
	if err != nil {
		t.Fatal(err)
	}
	// A path of a socket is at most 107 bytes: not below the test's own directory.
	dir, err := os.MkdirTemp("", "dockerd")
	if err != nil {
		t.Fatal(err)
	}
	d := &Docker{dir: dir, done: make(chan struct{})}
	t.Cleanup(func() { d.stop(t) })
	if err := d.start(); err != nil {
		t.Fatalf("start dockerd: %v\n%s", err, d.Log())
	}
	d.load(t, archive)
	return d
}

func (d *Docker) path(name string) string { return filepath.Join(d.dir, name) }

// Host is where the daemon listens, as DOCKER_HOST has it.
func (d *Docker) Host() string { return "unix://" + d.path("sock") }

// PID of the daemon.
func (d *Docker) PID() int { return d.cmd.Process.Pid }

// Log is what the daemon has said.
func (d *Docker) Log() string {
	text, err := os.ReadFile(d.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (d *Docker) start() error {
	if err := os.WriteFile(d.path("config.json"), []byte("{}"), 0o600); err != nil {
		return err
	}
	var err error
	if d.log, err = os.Create(d.path("log")); err != nil {
		return err
	}
	namespace := filepath.Base(d.dir)
	d.cmd = exec.Command("dockerd",
		"--config-file", d.path("config.json"),
		"--data-root", d.path("data"), "--exec-root", d.path("exec"),
		"--pidfile", d.path("pid"), "--host", d.Host(),
		"--containerd-namespace", namespace, "--containerd-plugins-namespace", namespace+"-plugins",
		"--bridge=none", "--iptables=false", "--shutdown-timeout=2",
	)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	// Signals for the test are not for the daemon: it is stopped in order.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		close(d.done)
		return fmt.Errorf("%w: apt-get install docker.io", err)
	}
	go func() {
		_ = d.cmd.Wait() // How it ended is in its log.
		close(d.done)
	}()
	for end := time.Now().Add(startWithin); time.Now().Before(end); {
		select {
		case <-d.done:
			return errors.New("it has exited")
		case <-time.After(20 * time.Millisecond):
		}
		if d.Command("version").Run() == nil {
			return nil
		}
	}
	return fmt.Errorf("no answer within %s", startWithin)
}

// Command is a docker command line for this daemon.
func (d *Docker) Command(args ...string) *exec.Cmd {
	cmd := exec.Command("docker", append([]string{"--host", d.Host()}, args...)...)
	// No settings of the machine's user.
	cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+d.path("cli"))
	return cmd
}

// Do runs a docker command line and returns what it printed, without the last
// newline. The test fails when the command does.
func (d *Docker) Do(t testing.TB, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := d.Command(args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("docker %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSuffix(stdout.String(), "\n")
}

// Run starts a container of the tiny image without a network. The options are
// docker's, such as --rm, --detach and --name; the command runs in the container.
// It returns what docker printed.
func (d *Docker) Run(t testing.TB, options []string, command ...string) string {
	t.Helper()
	return d.Do(t, runArgs(Image, options, command)...)
}

// RunImage is Run for an image that [Docker.Load] has made.
func (d *Docker) RunImage(t testing.TB, image string, options []string, command ...string) string {
	t.Helper()
	return d.Do(t, runArgs(image, options, command)...)
}

// Load makes the daemon have an image with files beside those of the tiny one.
func (d *Docker) Load(t testing.TB, image string, files ...File) {
	t.Helper()
	archive, err := Archive(image, files...)
	if err != nil {
		t.Fatal(err)
	}
	d.load(t, archive)
}

// RunCommand is the command line that [Docker.Run] would run.
func (d *Docker) RunCommand(options []string, command ...string) *exec.Cmd {
	return d.Command(runArgs(Image, options, command)...)
}

func runArgs(image string, options, command []string) []string {
	args := append([]string{"run", "--network=none"}, options...)
	return append(append(args, image), command...)
}

func (d *Docker) load(t testing.TB, archive []byte) {
	t.Helper()
	cmd := d.Command("load", "--quiet")
	cmd.Stdin = bytes.NewReader(archive)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("docker load: %v: %s", err, out)
	}
}

// stop ends the containers, then the daemon, and removes what they leave.
func (d *Docker) stop(t testing.TB) {
	if d.cmd != nil && d.cmd.Process != nil {
		if ids, err := d.Command("ps", "--all", "--quiet").Output(); err == nil && len(ids) > 0 {
			args := append([]string{"rm", "--force", "--volumes"}, strings.Fields(string(ids))...)
			if out, err := d.Command(args...).CombinedOutput(); err != nil {
				t.Logf("remove containers: %v: %s", err, out)
			}
		}
		d.terminate(t)
	}
	if d.log != nil {
		_ = d.log.Close() // Only read from now on.
	}
	if err := unmountBelow(d.dir); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(d.dir); err != nil {
		t.Errorf("remove what dockerd left: %v", err)
	}
}

// terminate ends the daemon; its containerd ends with it.
func (d *Docker) terminate(t testing.TB) {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // It may have exited.
	select {
	case <-d.done:
	case <-time.After(stopWithin):
		t.Errorf("dockerd did not stop within %s\n%s", stopWithin, d.Log())
		_ = d.cmd.Process.Kill()
		<-d.done
	}
}

// unmountBelow unmounts everything below dir, the innermost first.
func unmountBelow(dir string) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	var points []string
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			points = append(points, fields[4])
		}
	}
	for i := len(points) - 1; i >= 0; i-- {
		if err := unix.Unmount(points[i], unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", points[i], err)
		}
	}
	return nil
}

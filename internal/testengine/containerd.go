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
)

// Containerd is a containerd that belongs to one test, with its CRI plugin.
type Containerd struct {
	dir  string
	cmd  *exec.Cmd
	done chan struct{}
	log  *os.File
}

// containerdConfig is for containerd 1, which containerd 2 reads too. The CRI
// plugin may not lower oom_score_adj everywhere, and runs pods in the host's network.
const containerdConfig = `version = 2
root = "%[1]s/data"
state = "%[1]s/state"
[grpc]
  address = "%[1]s/sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "%[1]s/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "%[2]s"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "%[1]s/cni"
    conf_dir = "%[1]s/cni"
`

// criNamespace is where containerd keeps the containers of its CRI plugin.
const criNamespace = "k8s.io"

// StartContainerd starts the containerd of that directory, "" for the machine's, in
// which the namespaces have the tiny [Image], and stops it with all its containers
// when the test ends. It skips the test for users who are not root.
func StartContainerd(t testing.TB, binaries string, namespaces ...string) *Containerd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("containers need root")
	}
	archive, err := Archive(Image)
	if err != nil {
		t.Fatal(err)
	}
	pause, err := archiveOf(pauseImage, []string{"/bin/sleep", "1000000"})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "containerd")
	if err != nil {
		t.Fatal(err)
	}
	c := &Containerd{dir: dir, done: make(chan struct{})}
	t.Cleanup(func() { c.stop(t) })
	if err := c.start(binaries); err != nil {
		t.Fatalf("start containerd: %v\n%s", err, c.Log())
	}
	c.load(t, criNamespace, pause)
	for _, namespace := range append([]string{criNamespace}, namespaces...) {
		c.load(t, namespace, archive)
	}
	return c
}

func (c *Containerd) load(t testing.TB, namespace string, archive []byte) {
	t.Helper()
	cmd := c.Ctr(namespace, "images", "import", "-")
	cmd.Stdin = bytes.NewReader(archive)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ctr images import: %v: %s", err, out)
	}
}

func (c *Containerd) path(name string) string { return filepath.Join(c.dir, name) }

// Socket is where it listens.
func (c *Containerd) Socket() string { return c.path("sock") }

// PID of the daemon.
func (c *Containerd) PID() int { return c.cmd.Process.Pid }

// Log is what the daemon has said.
func (c *Containerd) Log() string {
	text, err := os.ReadFile(c.path("log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (c *Containerd) start(binaries string) error {
	config := fmt.Sprintf(containerdConfig, c.dir, pauseImage)
	if err := os.WriteFile(c.path("config.toml"), []byte(config), 0o600); err != nil {
		return err
	}
	var err error
	if c.log, err = os.Create(c.path("log")); err != nil {
		return err
	}
	c.cmd = exec.Command(filepath.Join(binaries, "containerd"), "--config", c.path("config.toml"))
	// The shim is looked for in the path.
	c.cmd.Env = append(os.Environ(), "PATH="+binaries+":"+os.Getenv("PATH"))
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		close(c.done)
		return fmt.Errorf("%w: apt-get install containerd", err)
	}
	go func() {
		_ = c.cmd.Wait() // How it ended is in its log.
		close(c.done)
	}()
	for end := time.Now().Add(startWithin); time.Now().Before(end); {
		select {
		case <-c.done:
			return errors.New("it has exited")
		case <-time.After(20 * time.Millisecond):
		}
		if c.Ctr("default", "version").Run() == nil {
			return nil
		}
	}
	return fmt.Errorf("no answer within %s", startWithin)
}

// Ctr is a ctr command line for a namespace of this containerd.
func (c *Containerd) Ctr(namespace string, args ...string) *exec.Cmd {
	return exec.Command("ctr", append([]string{"--address", c.Socket(), "--namespace", namespace}, args...)...)
}

// Run runs a container of the tiny image in a namespace, in the foreground unless
// the options have --detach, and returns what it printed.
func (c *Containerd) Run(t testing.TB, namespace, name string, options []string, command ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := c.RunCommand(namespace, name, options, command...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("ctr run %s: %v: %s", name, err, stderr.String())
	}
	return strings.TrimSuffix(stdout.String(), "\n")
}

// RunCommand is the command line that [Containerd.Run] would run.
func (c *Containerd) RunCommand(namespace, name string, options []string, command ...string) *exec.Cmd {
	args := append([]string{"run"}, options...)
	return c.Ctr(namespace, append(append(args, Image, name), command...)...)
}

// stop ends the containers, then the daemon, and removes what they leave.
func (c *Containerd) stop(t testing.TB) {
	if c.cmd != nil && c.cmd.Process != nil {
		c.removeContainers(t)
		_ = c.cmd.Process.Signal(syscall.SIGTERM) // It may have exited.
		select {
		case <-c.done:
		case <-time.After(stopWithin):
			t.Errorf("containerd did not stop within %s\n%s", stopWithin, c.Log())
			_ = c.cmd.Process.Kill()
			<-c.done
		}
	}
	if c.log != nil {
		_ = c.log.Close() // Only read from now on.
	}
	if err := unmountBelow(c.dir); err != nil {
		t.Error(err)
	}
	if err := os.RemoveAll(c.dir); err != nil {
		t.Errorf("remove what containerd left: %v", err)
	}
}

// removeContainers ends everything that runs, whoever has made it.
func (c *Containerd) removeContainers(t testing.TB) {
	list, err := c.Ctr("default", "namespaces", "list", "--quiet").Output()
	if err != nil {
		t.Logf("list namespaces: %v", err)
		return
	}
	for _, namespace := range strings.Fields(string(list)) {
		ids, err := c.Ctr(namespace, "tasks", "list", "--quiet").Output()
		if err != nil {
			t.Logf("list tasks: %v", err)
			continue
		}
		for _, id := range strings.Fields(string(ids)) {
			if out, err := c.Ctr(namespace, "tasks", "delete", "--force", id).CombinedOutput(); err != nil {
				t.Logf("end %s: %v: %s", id, err, out)
			}
		}
	}
}

package testengine

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Podman is podman with a storage that belongs to one test. It has no daemon.
type Podman struct {
	dir string
	// user whose podman it is, nil for root.
	user *user.User
}

// NewPodman makes a storage with the tiny [Image], for root or for a user that is
// made for it, and removes it with all its containers when the test ends. It skips
// the test for users who are not root.
func NewPodman(t testing.TB, rootless bool) *Podman {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("containers need root")
	}
	archive, err := Archive(Image)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "podman")
	if err != nil {
		t.Fatal(err)
	}
	p := &Podman{dir: dir}
	if rootless {
		p.user = addUser(t)
	}
	t.Cleanup(func() { p.remove(t) })
	if uid, gid := p.ids(); rootless {
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
	}
	load := p.Command("load", "--quiet")
	load.Stdin = bytes.NewReader(archive)
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("podman load: %v: %s: apt-get install podman uidmap", err, out)
	}
	return p
}

// addUser makes a user with numbers for the users of containers, for this test.
func addUser(t testing.TB) *user.User {
	t.Helper()
	name := fmt.Sprintf("gadget-test-%d", os.Getpid())
	if out, err := exec.Command("useradd", "--create-home", "--user-group", name).CombinedOutput(); err != nil {
		t.Fatalf("useradd: %v: %s", err, out)
	}
	t.Cleanup(func() {
		// The user's last processes may still be on their way out.
		out, err := exec.Command("userdel", "--remove", name).CombinedOutput()
		for end := time.Now().Add(stopWithin); err != nil && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			out, err = exec.Command("userdel", "--remove", name).CombinedOutput()
		}
		if err != nil {
			t.Errorf("userdel: %v: %s", err, out)
		}
	})
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Command is a podman command line for this storage.
func (p *Podman) Command(args ...string) *exec.Cmd {
	cmd := exec.Command("podman", append([]string{
		"--root", p.path("root"), "--runroot", p.path("run"), "--storage-driver", "vfs",
		"--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none",
	}, args...)...)
	cmd.Dir = p.dir
	if p.user != nil {
		uid, gid := p.ids()
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
		cmd.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin", "HOME=" + p.user.HomeDir, "USER=" + p.user.Username, "XDG_RUNTIME_DIR=" + p.dir}
	}
	return cmd
}

// ids are the numbers of the user and the group, 0 for root.
func (p *Podman) ids() (uid, gid uint32) {
	if p.user == nil {
		return 0, 0
	}
	u, _ := strconv.ParseUint(p.user.Uid, 10, 32)
	g, _ := strconv.ParseUint(p.user.Gid, 10, 32)
	return uint32(u), uint32(g)
}

func (p *Podman) path(name string) string { return filepath.Join(p.dir, name) }

// RunCommand runs a container of the tiny image without a network. Limits are given
// because podman would raise them, which is not permitted everywhere.
func (p *Podman) RunCommand(options []string, command ...string) *exec.Cmd {
	args := append([]string{
		"run", "--network=none", "--ulimit", "nofile=20000:20000", "--ulimit", "nproc=1000:1000",
	}, options...)
	return p.Command(append(append(args, Image), command...)...)
}

// Run runs a container and returns what podman printed.
func (p *Podman) Run(t testing.TB, options []string, command ...string) string {
	t.Helper()
	return do(t, p.RunCommand(options, command...))
}

// Serve runs podman's API until the test ends and returns its socket.
func (p *Podman) Serve(t testing.TB) string {
	t.Helper()
	socket := p.path("sock")
	cmd := p.Command("system", "service", "--time=0", "unix://"+socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // It may have exited.
		_ = cmd.Wait()
	})
	for end := time.Now().Add(startWithin); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return socket
		}
	}
	t.Fatalf("podman's service is not there within %s", startWithin)
	return ""
}

// remove ends all containers and removes what they leave.
func (p *Podman) remove(t testing.TB) {
	if out, err := p.Command("rm", "--all", "--force", "--time=0").CombinedOutput(); err != nil {
		t.Logf("podman rm: %v: %s", err, out)
	}
	p.endUser(t)
	if err := unmountBelow(p.dir); err != nil {
		t.Error(err)
	}
	// What tidies up after containers may still be at work.
	err := os.RemoveAll(p.dir)
	for end := time.Now().Add(stopWithin); err != nil && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		err = os.RemoveAll(p.dir)
	}
	if err != nil {
		t.Errorf("remove what podman left: %v", err)
	}
}

// endUser ends what still runs of the user that was made for the test: podman keeps
// a process that holds the user's namespaces.
func (p *Podman) endUser(t testing.TB) {
	if p.user == nil {
		return
	}
	uid, _ := p.ids()
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range processes {
		var st syscall.Stat_t
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && syscall.Stat(dir, &st) == nil && st.Uid == uid {
			_ = syscall.Kill(pid, syscall.SIGKILL) // It may have ended.
		}
	}
}

// do runs a command and returns what it printed, without the last newline.
func do(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return strings.TrimSuffix(stdout.String(), "\n")
}

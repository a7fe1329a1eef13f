package testengine

import (
	"os"
	"syscall"
	"testing"
)

func TestContainerd(t *testing.T) {
	c := StartContainerd(t, "", "tests")
	if got := c.Run(t, "tests", "hello", []string{"--rm"}, "echo", "hello"); got != "hello" {
		t.Errorf("echo in a container printed %q", got)
	}
	pod := &Pod{Name: "cart", Namespace: "shop", UID: "u-1", Container: "web", Command: []string{"sleep", "1000"}}
	c.RunPod(t, pod)
	if len(pod.ID) != 64 || len(pod.ContainerID) != 64 {
		t.Errorf("got %+v", pod)
	}
	c.stop(t)
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", c.dir, err)
	}
	if err := syscall.Kill(c.PID(), 0); err == nil {
		t.Errorf("containerd %d is still running", c.PID())
	}
}

func TestPodman(t *testing.T) {
	for _, rootless := range []bool{false, true} {
		p := NewPodman(t, rootless)
		if got := p.Run(t, []string{"--rm"}, "echo", "hello"); got != "hello" {
			t.Errorf("rootless %v: echo in a container printed %q", rootless, got)
		}
	}
}

func TestRunc(t *testing.T) {
	r := NewRunc(t, "runc")
	if got := do(t, r.Command(t, "gadget-test-hello", "echo", "hello")); got != "hello" {
		t.Errorf("echo in a container printed %q", got)
	}
}

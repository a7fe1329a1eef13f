package container

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// fakeProcess makes a process of a scene with a parent, a command line and a mount
// namespace.
func (s *scene) fakeProcess(pid, parent uint32, mntns uint64, cgroup string, args ...string) {
	s.t.Helper()
	s.process(pid, cgroup)
	dir := filepath.Join(s.view.proc, fmt.Sprint(pid))
	stat := fmt.Sprintf("%d (a) b) S %d 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 %d 0", pid, parent, 100+pid)
	for name, text := range map[string]string{"stat": stat, "cmdline": strings.Join(args, "\x00") + "\x00"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "ns"), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Symlink(fmt.Sprintf("mnt:[%d]", mntns), filepath.Join(dir, "ns/mnt")); err != nil {
		s.t.Fatal(err)
	}
}

func TestMaker(t *testing.T) {
	bundle := "/var/lib/containers/storage/overlay-containers/" + hex + "/userdata"
	tests := []struct {
		name        string
		own, parent []string
		parentNS    uint64
		cgroup      string
		runtime, id string
		path        string
	}{
		{name: "runc alone", own: []string{"runc", "init"}, parent: []string{"runc", "run", "box"}, cgroup: "/a/box/below", runtime: "runc", id: "box", path: "/a/box"},
		{name: "crun forks", own: []string{"crun", "run", "--bundle", "/b", "box"}, parent: []string{"sh"}, cgroup: "/", runtime: "crun", id: "box"},
		{name: "containerd", own: []string{"/proc/self/exe", "init"}, cgroup: "/gadget/c1", runtime: "containerd", id: "c1", path: "/gadget/c1",
			parent: []string{"/usr/sbin/runc", "--root", "/run/containerd/runc/gadget", "create", "--bundle", "/run/containerd/io.containerd.runtime.v2.task/gadget/c1", "--pid-file", "p", "c1"}},
		{name: "podman without a cgroup", own: []string{"top"}, parent: []string{"/usr/bin/conmon", "-c", hex, "-r", "/usr/bin/runc", "-b", bundle, "-n", "web"},
			cgroup: "/user.slice", runtime: "podman", id: hex},
		{name: "a unit with private mounts", own: []string{"nginx"}, parent: []string{"/lib/systemd/systemd"}, cgroup: "/system.slice/nginx.service"},
		{name: "called runc inside a container", own: []string{"sh"}, parent: []string{"runc", "run", "fake"}, parentNS: 7, cgroup: "/x"},
		{name: "called runc, another verb", own: []string{"sh"}, parent: []string{"runc", "exec", "box", "sh"}, cgroup: "/x"},
		{name: "a bad id", own: []string{"runc", "init"}, parent: []string{"runc", "run", "../../etc"}, cgroup: "/x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, policy{})
			if tt.parentNS == 0 {
				tt.parentNS = 1
			}
			s.fakeProcess(9, 1, tt.parentNS, "/", tt.parent...)
			s.fakeProcess(10, 9, 7, tt.cgroup, tt.own...)
			got, ok := s.view.identify(&sighting{PID: 10, MntNS: 7}, false)
			if ok != (tt.id != "") || got.runtime != tt.runtime || got.id != tt.id || got.path != tt.path {
				t.Errorf("got %+v %v", got, ok)
			}
		})
	}
}

// State files tell of containers that exist already, wherever they are.
func TestStates(t *testing.T) {
	root := t.TempDir()
	write := func(file, text string) {
		t.Helper()
		path := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("run/containerd/runc/gadget/c1/state.json", `{"init_process_pid":10,"init_process_start":110,"config":{"cgroups":{"path":"/gadget/c1"},"labels":["bundle=/run/containerd/io.containerd.runtime.v2.task/gadget/c1"]}}`)
	write("run/crun/box/status", `{"pid":11,"process-start-time":111,"cgroup-path":"/shared","bundle":"/b"}`)
	write("run/runc/reused/state.json", `{"init_process_pid":12,"init_process_start":5}`)
	write("run/runc/bad/state.json", `{"init_process_pid":`)
	s := newScene(t, policy{})
	s.view.states = engine.NewStates(root)
	s.fakeProcess(1, 0, 1, "/", "init")
	for pid := range uint32(8) {
		s.fakeProcess(10+pid, 1, uint64(100+pid), map[uint32]string{3: "/gadget/c1", 4: "/shared"}[pid], "sleep")
	}
	tests := []struct {
		pid         uint32
		runtime, id string
	}{
		{10, "containerd", "c1"},
		{11, "crun", "box"},
		{12, "", ""},             // Another process has the number by now.
		{13, "containerd", "c1"}, // A namespace of its own, in the container's cgroup.
		{14, "", ""},             // A cgroup that it shares with others.
	}
	for _, tt := range tests {
		for range 2 { // The second time from memory.
			got, ok := s.view.identify(&sighting{PID: tt.pid, MntNS: uint64(90 + tt.pid), Started: (100 + uint64(tt.pid)) * tick}, false)
			if ok != (tt.id != "") || got.runtime != tt.runtime || got.id != tt.id {
				t.Errorf("process %d: got %+v %v", tt.pid, got, ok)
			}
		}
	}
	if got, _ := s.view.identify(&sighting{PID: 10, MntNS: 100, Started: 110 * tick}, false); got.namespace != "gadget" || got.source != fromState {
		t.Errorf("got %+v", got)
	}
	// A process from before the container had the number of the namespace.
	if got, ok := s.view.identify(&sighting{PID: 99, MntNS: 100, Started: 50 * tick}, true); ok {
		t.Errorf("got %+v", got)
	}
	// What is changed is read again.
	write("run/crun/box/status", `{"pid":15,"process-start-time":115}`)
	time.Sleep(20 * time.Millisecond) // An answer is good for some milliseconds.
	if got, ok := s.view.identify(&sighting{PID: 15, MntNS: 105, Started: 115 * tick}, false); !ok || got.id != "box" {
		t.Errorf("got %+v %v", got, ok)
	}
}

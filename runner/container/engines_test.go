package container

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/testengine"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// firsts is how many containers each runtime starts in the tests of first execs,
// binaries where another containerd is.
var (
	firsts   = flag.Int("firsts", 10, "containers to start with each runtime")
	atOnce   = flag.Int("at-once", 3, "how many of them at once")
	binaries = flag.String("containerd", "", "directory with the containerd to test with")
)

// launcher makes the command line that starts a container with a name, which runs a
// program and is gone.
type launcher func(name string, command ...string) *exec.Cmd

// checkFirsts starts containers, some at a time, and checks that the first exec of
// each has its name, with and without a selector.
func checkFirsts(t *testing.T, o engine.Options, launch launcher) {
	t.Helper()
	for _, selective := range []bool{false, true} {
		prefix := fmt.Sprintf("first-%d-", time.Now().UnixNano()%1e6)
		s := Selector{}
		if selective {
			s.Name = Patterns{prefix + "*", "!*-odd"}
		}
		w := startWatcher(t, Options{Selector: s, Engines: o}, true)
		execs := startExecs(t, w.opts.FilterMap)
		var running sync.WaitGroup
		slots := make(chan struct{}, *atOnce)
		name := func(i int) string {
			return prefix + fmt.Sprint(i) + []string{"-even", "-odd"}[i%2]
		}
		for i := range *firsts {
			running.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				if out, err := launch(name(i), "/bin/true").CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", name(i), err, out)
				}
			})
		}
		done := make(chan struct{})
		go func() { running.Wait(); close(done) }()
		var list []caught
		for waiting := true; waiting; {
			select {
			case <-done:
				waiting = false
			default:
			}
			list = append(list, execs.catch(t, w.Table(), 20*time.Millisecond)...)
		}
		got, complete := count(list), 0
		for i := range *firsts {
			want := 1
			if !s.Empty() && i%2 == 1 {
				want = 0
			}
			if n := got[name(i)+" /bin/true"]; n != want {
				t.Errorf("%s: %d of %d first execs (selector %v)", name(i), n, want, s.Name)
			} else {
				complete++
			}
		}
		longest := time.Duration(0)
		for _, c := range list {
			switch {
			case c.container == nil:
				t.Errorf("exec of %s without a container", c.file())
			case strings.HasPrefix(c.container.Name, prefix):
				longest = max(longest, c.waited)
			}
		}
		t.Logf("%d of %d as they should be, the longest wait for a name was %v", complete, *firsts, longest)
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}
}

// await waits for a living container with that name.
func await(t *testing.T, table *Table, name string) *event.Container {
	t.Helper()
	var c *event.Container
	eventually(t, name+" is known", func() bool { c = find(table, name); return c != nil && c.Status == statusKnown })
	return c
}

func TestContainerdContainers(t *testing.T) {
	// An id may be the same in two namespaces.
	c := testengine.StartContainerd(t, *binaries, "gadget-a", "gadget-b")
	o := engine.Options{Containerd: c.Socket()}
	t.Run("first exec", func(t *testing.T) {
		checkFirsts(t, o, func(name string, command ...string) *exec.Cmd {
			return c.RunCommand("gadget-a", name, []string{"--rm"}, command...)
		})
	})
	pod := &testengine.Pod{Name: "cart", Namespace: "shop", UID: "u-1", Labels: map[string]string{"app": "shop"},
		Container: "web", Command: []string{"sleep", "1000"}}
	for _, cri := range []bool{false, true} {
		t.Run(fmt.Sprintf("pod, cri %v", cri), func(t *testing.T) {
			o := o
			o.CRI = cri
			w := startWatcher(t, Options{Engines: o, Selector: Selector{Pod: Patterns{"cart"}, Namespace: Patterns{"shop"},
				Labels: Labels{{Key: "app", Value: "shop"}}}}, true)
			execs := startExecs(t, w.opts.FilterMap)
			pod := *pod
			c.RunPod(t, &pod)
			web := await(t, w.Table(), "web")
			if web.ID != pod.ContainerID || web.Pod != "cart" || web.Namespace != "shop" || web.PodUID != "u-1" || web.PodContainer != "web" ||
				web.PodLabels != "app=shop" || web.Runtime != "containerd" || web.Image != testengine.Image || !strings.HasPrefix(web.ImageDigest, "sha256:") || !web.HostNetwork {
				t.Errorf("got %+v", web)
			}
			if sandbox := await(t, w.Table(), "cart"); sandbox.ID != pod.ID || sandbox.PodContainer != "" || sandbox.Pod != "cart" {
				t.Errorf("got %+v", sandbox)
			}
			got := count(execs.catch(t, w.Table(), 50*time.Millisecond))
			// The CRI tells of a pod only when all of it runs.
			if got["web sleep"]+got["web /bin/sleep"] != 1 || got["cart /bin/sleep"] != 1 && !cri {
				t.Errorf("execs are %v", got)
			}
		})
	}
	t.Run("two namespaces", func(t *testing.T) {
		w := startWatcher(t, Options{Engines: o}, true)
		for _, namespace := range []string{"gadget-a", "gadget-b"} {
			c.Run(t, namespace, "twin", []string{"--detach", "--label", "in=" + namespace}, "sleep", "1000")
		}
		eventually(t, "both are known", func() bool {
			labels := map[string]bool{}
			for _, c := range w.Table().Containers() {
				if c.Name == "twin" {
					labels[c.Labels["in"]] = true
				}
			}
			return labels["gadget-a"] && labels["gadget-b"]
		})
		list, err := List(t.Context(), Options{Engines: o, Selector: Selector{Name: Patterns{"twin"}}})
		if err != nil || len(list) != 2 || list[0].Image != testengine.Image || list[0].Status != statusKnown {
			t.Errorf("list is %v %v", list, err)
		}
		execs := startExecs(t, w.opts.FilterMap)
		if out, err := c.Ctr("gadget-a", "tasks", "exec", "--exec-id", "x", "twin", "/bin/ls").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if n := count(execs.catch(t, w.Table(), 50*time.Millisecond))["twin /bin/ls"]; n != 1 {
			t.Errorf("%d of 1 execs by ctr tasks exec", n)
		}
	})
}

func TestPodmanContainers(t *testing.T) {
	for _, rootless := range []bool{false, true} {
		name := map[bool]string{false: "root", true: "rootless"}[rootless]
		t.Run(name, func(t *testing.T) {
			p := testengine.NewPodman(t, rootless)
			checkFirsts(t, engine.Options{}, func(name string, command ...string) *exec.Cmd {
				return p.RunCommand([]string{"--rm", "--name", name}, command...)
			})
			w := startWatcher(t, Options{}, true)
			p.Run(t, []string{"--detach", "--name", "web-" + name, "--label", "app=shop"}, "sleep", "1000")
			c := await(t, w.Table(), "web-"+name)
			if c.Runtime != "podman" || c.Image != testengine.Image || !strings.HasPrefix(c.ImageDigest, "sha256:") || len(c.ID) != 64 {
				t.Errorf("got %+v", c)
			}
			// Labels are with the service.
			list, err := List(t.Context(), Options{
				Engines:  engine.Options{Podman: p.Serve(t)},
				Selector: Selector{Labels: Labels{{Key: "app", Value: "shop"}}, Name: Patterns{"web-" + name}},
			})
			if err != nil || len(list) != 1 || list[0].LabelText != "app=shop" {
				t.Errorf("list is %v %v", list, err)
			}
		})
	}
}

func TestRuncContainers(t *testing.T) {
	r := testengine.NewRunc(t, "runc")
	t.Run("first exec", func(t *testing.T) {
		checkFirsts(t, engine.Options{}, func(name string, command ...string) *exec.Cmd {
			return r.Command(t, name, command...)
		})
	})
	name := fmt.Sprintf("gadget-test-%d", os.Getpid())
	stop := r.Start(t, name, "sleep", "1000")
	w := startWatcher(t, Options{}, true)
	c := await(t, w.Table(), name)
	if c.Runtime != "runc" || c.ID != name || c.Source == "" {
		t.Errorf("got %+v", c)
	}
	list, err := List(t.Context(), Options{Selector: Selector{Runtime: Patterns{"runc"}, Name: Patterns{name}}})
	if err != nil || len(list) != 1 {
		t.Errorf("list is %v %v", list, err)
	}
	// What has a mount namespace of its own inside is the container's; a unit of the
	// host with private mounts is not.
	stop()
	eventually(t, "it is gone", func() bool { return find(w.Table(), name) == nil })
	if _, err := os.Stat(filepath.Join("/run/runc", name)); !os.IsNotExist(err) {
		t.Errorf("its state is still there: %v", err)
	}
}

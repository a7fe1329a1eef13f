package runner

import (
	"bytes"
	"context"
	encjson "encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/internal/testengine"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/container/engine"
	"github.com/gadget-bpf/gadget/schemas"
)

// aboutContainers is the plan of a gadget that has nothing but their events.
func aboutContainers(t *testing.T) *plan.Plan {
	t.Helper()
	p, err := plan.New(nil, &schemas.Metadata{Annotations: map[string]string{schemas.AnnotationContainers: "true"}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// containerEvents collects the events of containers by name and kind.
type containerEvents struct {
	mu   sync.Mutex
	all  []map[string]any
	text bytes.Buffer
}

func (c *containerEvents) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(p)
	for {
		line, err := c.text.ReadBytes('\n')
		if err != nil {
			c.text.Write(line)
			return len(p), nil
		}
		var e map[string]any
		if err := encjson.Unmarshal(line, &e); err != nil {
			return 0, fmt.Errorf("%w: %s", err, line)
		}
		c.all = append(c.all, e)
	}
}

// of returns the kinds of events of a container, and the last of them.
func (c *containerEvents) of(id string) (kinds string, last map[string]any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.all {
		if e["container_id"] == id {
			kinds += e["event_type"].(string) + " "
			last = e
		}
	}
	return kinds, last
}

// TestContainersSource follows containers that exist, come and go.
func TestContainersSource(t *testing.T) {
	gadgettest.NeedRoot(t)
	docker := testengine.StartDocker(t)
	before := docker.Run(t, []string{"--detach", "--name=before"}, "sleep", "1000")
	ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
	defer stop()
	events := &containerEvents{}
	o := Options{Engines: engine.Options{Docker: docker.Host()}, Encoder: json, Out: events}
	waitFor := func(id, kinds string) map[string]any {
		t.Helper()
		for {
			got, last := events.of(id)
			if strings.HasSuffix(got, kinds) {
				return last
			}
			if ctx.Err() != nil {
				t.Fatalf("events %q, want %q", got, kinds)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	work := func() {
		check := func(e map[string]any, id, name string, args ...string) {
			t.Helper()
			var ns unix.Stat_t
			pid := docker.Do(t, "inspect", "--format={{.State.Pid}}", id)
			if err := unix.Stat("/proc/"+pid+"/ns/mnt", &ns); err != nil {
				t.Fatal(err)
			}
			var config struct{ Process struct{ Args []string } }
			if err := encjson.Unmarshal([]byte(e["container_config"].(string)), &config); err != nil {
				t.Errorf("%s: config %.100q: %v", name, e["container_config"], err)
			}
			if e["name"] != name || e["mntns_id"] != float64(ns.Ino) || e["cgroup_id"].(float64) == 0 || strings.Join(config.Process.Args, " ") != strings.Join(args, " ") {
				t.Errorf("%s: %v", name, e)
			}
		}
		check(waitFor(before, "CREATED "), before, "before", "sleep", "1000")
		if kinds, _ := events.of(before); kinds != "CREATED " {
			t.Errorf("one that exists has %s", kinds)
		}
		new := docker.Run(t, []string{"--detach", "--name=new"}, "sleep", "2000")
		check(waitFor(new, "CREATED "), new, "new", "sleep", "2000")
		docker.Do(t, "rm", "--force", "new")
		e := waitFor(new, "CREATED DELETED ")
		if e["name"] != "new" || !strings.Contains(e["container_config"].(string), "2000") {
			t.Errorf("the end is %v", e)
		}
		// One that ends at once has a begin and an end, too.
		short := docker.Run(t, []string{"--detach", "--name=short"}, "true")
		waitFor(short, "CREATED DELETED ")
	}
	o.Ready = func() { go func() { defer stop(); work() }() }
	report, err := Run(ctx, aboutContainers(t), o)
	if err != nil || report.Sources[0].Delivered < 5 {
		t.Errorf("%v, report %+v", err, report)
	}
}

// Only containers that match are told of.
func TestContainersSourceSelects(t *testing.T) {
	gadgettest.NeedRoot(t)
	docker := testengine.StartDocker(t)
	docker.Run(t, []string{"--detach", "--name=other"}, "sleep", "1000")
	docker.Run(t, []string{"--detach", "--name=web"}, "sleep", "1000")
	names, err := container.ParsePatterns("web")
	if err != nil {
		t.Fatal(err)
	}
	events := &containerEvents{}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	_, err = Run(ctx, aboutContainers(t), Options{
		Engines: engine.Options{Docker: docker.Host()}, Encoder: json, Out: events, Selector: container.Selector{Name: names}, MaxEvents: 1, Host: true,
	})
	if err != nil || len(events.all) != 1 || events.all[0]["name"] != "web" {
		t.Errorf("%v: %v", err, events.all)
	}
}

// TestContainerConfig looks for what cannot be found, and must not be.
func TestContainerConfig(t *testing.T) {
	for _, tt := range []struct {
		pid uint32
		id  string
	}{{0, "a"}, {uint32(os.Getpid()), "no-such-container"}, {uint32(os.Getpid()), "../../etc"}, {1 << 30, "a"}} {
		if text := containerConfig(tt.pid, tt.id); text != nil {
			t.Errorf("process %d, container %s: %.80s", tt.pid, tt.id, text)
		}
	}
}

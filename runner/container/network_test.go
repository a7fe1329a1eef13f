package container

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// bornIn is born in a network namespace.
func (s *scene) bornIn(netns uint32, number uint64, pid uint32) {
	s.report(sighting{
		Kind: seen, PID: pid, MntNS: number, Generation: number,
		Boot: s.now, Started: s.now, NetNS: netns,
	}, s.now)
	s.publish()
}

// container makes a container in a network namespace, with a name and labels.
func (s *scene) container(netns uint32, number uint64, name string, labels map[string]string) {
	id := strings.Repeat(strconv.FormatUint(number%10, 10), 64)
	s.process(uint32(number), "/docker/"+id)
	s.bornIn(netns, number, uint32(number))
	ref := engine.Ref{ID: id}
	s.answer(answer{source: theDocker, refs: []engine.Ref{ref}, found: map[engine.Ref]engine.Info{ref: {
		Name: name, Labels: labels, Pod: labels["io.kubernetes.pod.name"], Namespace: labels["io.kubernetes.pod.namespace"],
	}}})
	s.publish()
}

func pod(name string) map[string]string {
	return map[string]string{"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": "shop"}
}

// judged checks what becomes of the events of a network namespace.
func (s *scene) judged(netns uint32, want Verdict) {
	s.t.Helper()
	if _, got := s.table.Judge(Network(netns), 0); got != want {
		s.t.Errorf("network %d is judged %v, want %v", netns, got, want)
	}
}

func TestNetworkOfOneContainer(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.bornIn(5, 10, 10)
	s.is(Network(5), 0, Pending, hex[:12])
	s.judged(5, Wait)
	s.named(hex, "web")
	s.is(Network(5), 0, Known, "web")
	s.judged(5, Emit)
	s.is(Network(10), 0, Unknown, "")
	s.is(5, 0, Unknown, "")
	if n := len(s.table.Containers()); n != 1 {
		t.Errorf("%d containers", n)
	}
	// A mount namespace of its own changes nothing.
	s.process(11, "/docker/"+hex+"/below")
	s.bornIn(5, 11, 11)
	s.is(Network(5), 0, Known, "web")
}

// A host process that has entered a container's network is not alone there.
func TestNetworkWithHostProcess(t *testing.T) {
	s := newScene(t, policy{})
	s.container(5, 10, "web", nil)
	s.process(20, "/system.slice/debug.service")
	s.bornIn(5, 20, 20)
	s.judged(5, Wait)
	s.pass(hostAfter + ms)
	s.is(Network(5), 0, Known, "web")
	s.judged(5, Emit)
	s.process(21, "/system.slice/vpn.service")
	s.bornIn(6, 21, 21)
	s.pass(hostAfter + ms)
	s.is(Network(6), 0, Host, "")
	s.judged(6, Drop)
}

func TestNetworkOfPod(t *testing.T) {
	s := newScene(t, policy{})
	s.container(5, 11, "pause", pod("checkout"))
	c, _ := s.table.Lookup(Network(5), 0)
	if c.Name != "pause" || c.PID != 11 {
		t.Errorf("alone: %+v", c)
	}
	s.container(5, 12, "app", pod("checkout"))
	s.container(5, 13, "proxy", pod("checkout"))
	c, state := s.table.Lookup(Network(5), 0)
	if diff := cmp.Diff(&event.Container{Namespace: "shop", Pod: "checkout"}, c); diff != "" || state != Known {
		t.Errorf("%v: -want +got:\n%s", state, diff)
	}
	// Not in the pod, and so nobody knows whose it is.
	s.container(5, 14, "debugger", nil)
	if c, state := s.table.Lookup(Network(5), 0); c != nil || state != Known {
		t.Errorf("shared by strangers: %v %+v", state, c)
	}
	s.judged(5, Emit)
}

func TestNetworkOfStrangers(t *testing.T) {
	s := newScene(t, policy{selector: Selector{Name: Patterns{"web"}}})
	s.container(5, 11, "db", nil)
	s.judged(5, Drop)
	s.container(5, 12, "web", nil)
	s.is(Network(5), 0, Known, "")
	s.judged(5, Emit)
	s.container(6, 13, "cache", nil)
	s.judged(6, Drop)
	if diff := cmp.Diff([]NetworkNamespace{{Number: 5, PIDs: []uint32{11, 12}}}, s.table.Networks()); diff != "" {
		t.Errorf("networks: -want +got:\n%s", diff)
	}
}

// The host's network has nobody's name, and is shown when one of those who use it
// is asked for.
func TestHostNetwork(t *testing.T) {
	const host = 1 // as newScene has it
	for _, tt := range []struct {
		name   string
		policy policy
		want   Verdict
	}{
		{"containers", policy{}, Emit},
		{"host", policy{host: true}, Emit},
		{"the one in it", policy{selector: Selector{Name: Patterns{"exporter"}}}, Emit},
		{"another", policy{selector: Selector{Name: Patterns{"web"}}}, Drop},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, tt.policy)
			s.process(20, "/init.scope")
			s.bornIn(host, 20, 20)
			s.pass(hostAfter + ms)
			if tt.policy.host {
				s.judged(host, Emit)
			} else {
				s.judged(host, Drop)
			}
			s.container(host, 11, "exporter", nil)
			s.is(Network(host), 0, Host, "")
			s.judged(host, tt.want)
			if c, _ := s.table.Lookup(11, 0); !c.HostNetwork {
				t.Error("it does not use the host's network")
			}
		})
	}
}

// The numbers of network namespaces are reused like those of others.
func TestNetworkInTime(t *testing.T) {
	s := newScene(t, policy{})
	s.container(5, 11, "first", nil)
	s.pass(1000 * ms)
	s.die(sighting{PID: 11, MntNS: 11, Generation: 11, Boot: s.now}, s.now)
	ended := s.now
	s.alive()
	s.alive()
	if list := s.table.Networks(); len(list) != 0 {
		t.Errorf("networks %v", list)
	}
	s.is(Network(5), ended+exitGrace, Known, "first")
	s.is(Network(5), ended+exitGrace+1, Unknown, "")
	s.pass(10 * ms)
	s.container(5, 12, "second", nil)
	s.is(Network(5), ended-500*ms, Known, "first")
	s.is(Network(5), ended+4*ms, Known, "first")
	s.is(Network(5), ended+6*ms, Known, "second")
	s.pass(500 * ms)
	s.container(5, 13, "third", pod("x"))
	s.is(Network(5), s.now-100*ms, Known, "second")
	s.is(Network(5), 0, Known, "")
	s.now += s.ttl
	s.alive(sighting{PID: 12, MntNS: 12, Generation: 12, NetNS: 5}, sighting{PID: 13, MntNS: 13, Generation: 13, NetNS: 5})
	s.alive(sighting{PID: 12, MntNS: 12, Generation: 12, NetNS: 5}, sighting{PID: 13, MntNS: 13, Generation: 13, NetNS: 5})
	s.is(Network(5), ended-500*ms, Known, "second")
	s.now += 2 * s.ttl
	for range 4 {
		s.alive()
		s.now += s.ttl
	}
	if _, known := (*s.table.owners.Load())[Network(5)]; known || len(s.networks) != 0 {
		t.Errorf("not forgotten: %v", s.networks)
	}
}

// A runtime may let the first process join its network after it has its mounts.
func TestNetworkComesLater(t *testing.T) {
	s := newScene(t, policy{})
	s.container(1, 11, "web", nil)
	if c, _ := s.table.Lookup(11, 0); !c.HostNetwork {
		t.Error("not yet in its own network")
	}
	s.report(sighting{Kind: seen, PID: 11, MntNS: 11, Generation: 11, Boot: s.now, NetNS: 5}, s.now)
	s.publish()
	if c, _ := s.table.Lookup(11, 0); c.HostNetwork || c.NetNS != 5 || c.Name != "web" {
		t.Errorf("got %+v", c)
	}
	s.is(Network(5), 0, Known, "web")
	s.is(Network(1), 0, Unknown, "")
	// A sweep that cannot tell changes nothing.
	s.alive(sighting{PID: 11, MntNS: 11, Generation: 11})
	s.is(Network(5), 0, Known, "web")
}

// The tracker tells of a first process that moves to another network.
func TestNetworkOfExec(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("eBPF needs root")
	}
	view := newHostView("")
	track, err := loadTracker(&Options{}, &view, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := track.close(); err != nil {
			t.Error(err)
		}
	}()
	// The first exec is in the old network, the last one in the new.
	cmd := exec.Command("unshare", "--mount", "sh", "-c", "exec unshare --net sleep 1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var networks []uint32
	track.ring.SetDeadline(time.Now().Add(10 * time.Second))
	for len(networks) < 2 {
		s, err := track.next()
		if err != nil {
			t.Fatalf("%v after %d sightings", err, len(networks))
		}
		if s.Kind == seen && s.PID == uint32(cmd.Process.Pid) {
			networks = append(networks, s.NetNS)
		}
	}
	want := []uint32{view.netns, uint32(view.namespace(strconv.Itoa(cmd.Process.Pid), "net"))}
	if !slices.Equal(networks, want) || want[0] == want[1] {
		t.Errorf("seen in networks %d, want %d", networks, want)
	}
}

// A look-up by network costs no allocation.
func TestJudgeNetworkDoesNotAllocate(t *testing.T) {
	s := newScene(t, policy{})
	s.container(5, 11, "web", nil)
	if n := testing.AllocsPerRun(1000, func() { s.table.Judge(Network(5), s.now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// scene is a ledger with a /proc of its own and a clock that the test moves.
type scene struct {
	*ledger
	t    *testing.T
	now  uint64
	asks []string
}

func newScene(t *testing.T, p policy) *scene {
	l := newLedger(p)
	l.view = hostView{proc: t.TempDir(), netns: 1}
	l.ttl, l.wait = 10_000*ms, 100*ms
	s := &scene{ledger: l, t: t, now: 1_000_000 * ms}
	l.ask = func(ref engine.Ref, runtime string) []*engine.Source {
		if !theDocker.Serves(runtime) {
			return nil
		}
		s.asks = append(s.asks, ref.ID)
		return []*engine.Source{theDocker}
	}
	return s
}

// theDocker is the one engine of a scene.
var theDocker = &engine.Source{Runtime: "docker", Address: "/run/docker.sock"}

// process makes or changes a process of the scene's /proc.
func (s *scene) process(pid uint32, cgroup string) {
	s.t.Helper()
	dir := filepath.Join(s.view.proc, fmt.Sprint(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup"), []byte("0::"+cgroup+"\n"), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// born lets the tracker report a namespace whose first process has that number.
func (s *scene) born(number, generation uint64, pid uint32) {
	s.report(sighting{
		Kind: seen, PID: pid, MntNS: number, Generation: generation,
		Boot: s.now, Started: s.now, NetNS: 2,
	}, s.now)
	s.publish()
}

// pass lets time go by.
func (s *scene) pass(d uint64) {
	for end := s.now + d; s.now < end; s.now += ms {
		s.step(s.now)
	}
	s.publish()
}

// alive is a sweep that finds these, and takes note of their numbers.
func (s *scene) alive(list ...sighting) {
	for i := range list {
		list[i].Boot = s.now
	}
	s.sweep(list, s.now, s.now)
	s.publish()
}

func (s *scene) named(id, name string) {
	ref := engine.Ref{ID: id}
	s.answer(answer{source: theDocker, refs: []engine.Ref{ref}, found: map[engine.Ref]engine.Info{ref: {Runtime: "docker", Name: name}}})
	s.publish()
}

// is checks the owner of a number, now or at a time.
func (s *scene) is(number, boot uint64, state State, name string) {
	s.t.Helper()
	c, got := s.table.Lookup(number, boot)
	gotName := ""
	if c != nil {
		gotName = c.Name
	}
	if got != state || gotName != name {
		s.t.Errorf("%d is %v %q, want %v %q", number, got, gotName, state, name)
	}
}

func TestContainerGetsItsName(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.is(7, 0, Pending, hex[:12])
	if !slices.Equal(s.asks, []string{hex}) {
		t.Errorf("asked for %v", s.asks)
	}
	s.named(hex, "web")
	s.is(7, 0, Known, "web")
	c, _ := s.table.Lookup(7, 0)
	if c.PID != 10 || c.MntNS != 7 || c.NetNS != 2 || c.HostNetwork || c.CgroupPath != "/docker/"+hex || c.Runtime != "docker" {
		t.Errorf("got %+v", c)
	}
	if s.table.Matches() != 1 {
		t.Errorf("%d matches", s.table.Matches())
	}
}

// A silent docker delays events for the wait, no longer; its name is welcome later.
func TestSlowDocker(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.pass(99 * ms)
	s.is(7, 0, Pending, hex[:12])
	s.pass(2 * ms)
	s.is(7, 0, Known, hex[:12])
	s.named(hex, "web")
	s.is(7, 0, Known, "web")
}

// A sweep may see a namespace before the tracker's reports of those that had its
// number before have been read: each keeps its own time.
func TestSweepBeforeReports(t *testing.T) {
	s := newScene(t, policy{})
	for i, name := range []string{"a", "b", "c"} {
		s.process(uint32(10+i), "/system.slice/runc-"+name+".scope")
	}
	s.born(7, 1, 10)
	start := s.now
	at := func(d uint64) uint64 { return start + d*ms }
	s.now = at(100)
	s.alive(sighting{Kind: seen, PID: 12, MntNS: 7, Generation: 3, Started: at(90)})
	s.die(sighting{Kind: dying, PID: 10, MntNS: 7, Generation: 1, Boot: at(20)}, s.now)
	late := sighting{Kind: seen, PID: 11, MntNS: 7, Generation: 2, Boot: at(40), Started: at(40)}
	copy(late.Leaf[:], "runc-b.scope")
	s.report(late, s.now)
	s.die(sighting{Kind: dying, PID: 11, MntNS: 7, Generation: 2, Boot: at(60)}, s.now)
	s.publish()
	for d, want := range map[uint64]string{5: "a", 19: "a", 41: "b", 59: "b", 95: "c"} {
		s.is(7, at(d), Known, want)
	}
}

// Who asks for a name gets no other container meanwhile, and does not miss its own.
func TestSlowDockerWithSelector(t *testing.T) {
	s := newScene(t, policy{selector: Selector{Name: Patterns{"web"}}})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.pass(1000 * ms)
	s.is(7, 0, Pending, hex[:12])
	s.answer(answer{source: theDocker, refs: []engine.Ref{{ID: hex}}, err: errors.New("no answer")})
	s.publish()
	if _, v := s.table.Judge(7, 0); v != Drop {
		t.Errorf("a container without a name is judged %v", v)
	}
	s.named(hex, "web")
	if _, v := s.table.Judge(7, 0); v != Emit {
		t.Errorf("the container that was asked for is judged %v", v)
	}
}

// Runtimes that docker knows nothing of are not asked about.
func TestOtherRuntimes(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/machine.slice/libpod-"+hex+".scope")
	s.born(7, 1, 10)
	s.is(7, 0, Known, hex[:12])
	s.process(11, "/batch/"+other)
	s.born(8, 2, 11)
	s.is(8, 0, Pending, other[:12])
	s.answer(answer{source: theDocker, refs: []engine.Ref{{ID: other}}})
	s.publish()
	s.is(8, 0, Known, other[:12])
	if c, _ := s.table.Lookup(8, 0); c.Runtime != "" {
		t.Errorf("runtime is %q", c.Runtime)
	}
	if !slices.Equal(s.asks, []string{other}) {
		t.Errorf("asked for %v", s.asks)
	}
}

// A runtime may move the first process to its cgroup after it has its namespaces.
func TestCgroupComesLater(t *testing.T) {
	for _, late := range []uint64{0, 4 * ms, 45 * ms, 99 * ms, 400 * ms, 1900 * ms} {
		s := newScene(t, policy{})
		s.process(10, "/user.slice/session-1.scope")
		s.born(7, 1, 10)
		s.is(7, 0, Pending, "")
		s.pass(late)
		if late > hostAfter {
			s.is(7, 0, Host, "")
		}
		s.process(10, "/docker/"+hex)
		s.pass(2000*ms - late + 2*ms)
		s.named(hex, "web")
		s.is(7, 0, Known, "web")
	}
}

func TestHost(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/system.slice/dbus.service")
	s.born(7, 1, 10)
	s.pass(99 * ms)
	s.is(7, 0, Pending, "")
	s.pass(2 * ms)
	s.is(7, 0, Host, "")
	if _, v := s.table.Judge(7, 0); v != Drop {
		t.Errorf("judged %v", v)
	}
	// What has been there for long needs no thought.
	s.process(1, "/init.scope")
	s.alive(sighting{PID: 1, MntNS: 3, Generation: 1})
	s.is(3, 0, Host, "")
	if len(s.asks) != 0 {
		t.Errorf("asked for %v", s.asks)
	}
}

// The kernel's word does when the process is gone before anybody has looked.
func TestShortLived(t *testing.T) {
	s := newScene(t, policy{})
	sight := sighting{Kind: seen, PID: 10, MntNS: 7, Generation: 1, Boot: s.now, Started: s.now}
	copy(sight.Parent[:], "docker")
	copy(sight.Leaf[:], hex)
	s.report(sight, s.now)
	s.publish()
	s.is(7, 0, Pending, hex[:12])
	s.named(hex, "web")
	s.is(7, 0, Known, "web")
}

// An event belongs to who had the number at its time.
func TestReuse(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.named(hex, "first")
	s.pass(1000 * ms)
	first := s.now
	s.die(sighting{PID: 10, MntNS: 7, Generation: 1, Boot: s.now}, s.now)
	s.pass(10 * ms)
	s.process(11, "/docker/"+other)
	s.born(7, 5, 11)
	s.is(7, 0, Pending, other[:12])
	s.named(other, "second")

	s.is(7, first-500*ms, Known, "first")
	s.is(7, first+1*ms, Known, "first")
	s.is(7, first+9*ms, Known, "second")
	s.is(7, 0, Known, "second")
	if s.table.Matches() != 1 {
		t.Errorf("%d matches, the first is gone", s.table.Matches())
	}
	s.alive(sighting{PID: 11, MntNS: 7, Generation: 5})
	s.pass(11_000 * ms)
	s.alive(sighting{PID: 11, MntNS: 7, Generation: 5})
	s.is(7, first-500*ms, Unknown, "")
	s.is(7, 0, Known, "second")
}

// A sweep may list a namespace before the report of its predecessor is read.
func TestReportsOutOfOrder(t *testing.T) {
	s := newScene(t, policy{})
	s.process(11, "/docker/"+other)
	early := sighting{Kind: seen, PID: 10, MntNS: 7, Generation: 4, Boot: s.now, Started: s.now}
	copy(early.Parent[:], "docker")
	copy(early.Leaf[:], hex)
	s.pass(10 * ms)
	s.alive(sighting{PID: 11, MntNS: 7, Generation: 3, Started: s.now})
	s.report(early, s.now)
	s.publish()
	s.named(hex, "first")
	s.named(other, "second")
	s.is(7, early.Boot+1, Known, "first")
	s.is(7, 0, Known, "second")
	if s.table.Matches() != 1 {
		t.Errorf("%d matches", s.table.Matches())
	}
}

func TestGoneAndForgotten(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.named(hex, "web")
	s.pass(5 * ms)
	s.alive()
	s.is(7, 0, Known, "web")
	if s.table.Matches() != 1 {
		t.Error("one sweep alone made it gone")
	}
	s.alive()
	s.is(7, 0, Known, "web")
	if s.table.Matches() != 0 {
		t.Error("still a living match")
	}
	s.pass(9_900 * ms)
	s.alive()
	s.is(7, s.now-9_900*ms, Known, "web")
	s.pass(200 * ms)
	s.alive()
	s.is(7, 0, Unknown, "")
	if len(s.spaces) != 0 || len(s.tenants) != 0 {
		t.Errorf("%d spaces and %d tenants remain", len(s.spaces), len(s.tenants))
	}
}

// The first process may end while others of its namespace live on.
func TestFirstProcessEnds(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.named(hex, "web")
	s.pass(5 * ms)
	s.die(sighting{PID: 10, MntNS: 7, Generation: 1, Boot: s.now}, s.now)
	if s.nextSweep > s.now+sweepSoon {
		t.Error("nobody looks whether it is the end")
	}
	for range 3 {
		s.alive(sighting{PID: 12, MntNS: 7, Generation: 1})
	}
	s.is(7, s.now+1000*ms, Known, "web")
	if s.table.Matches() != 1 {
		t.Error("it is gone")
	}
}

// A container that is started again is another tenant: the old events keep their process.
func TestStartedAgain(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.named(hex, "web")
	first := s.now
	s.pass(5 * ms)
	s.die(sighting{PID: 10, MntNS: 7, Generation: 1, Boot: s.now}, s.now)
	s.process(20, "/docker/"+hex)
	s.pass(5 * ms)
	s.born(7, 2, 20)
	s.is(7, 0, Pending, "web")
	s.named(hex, "web-renamed")
	s.is(7, 0, Known, "web-renamed")
	s.is(7, first, Known, "web")
	if c, _ := s.table.Lookup(7, first); c.PID != 10 {
		t.Errorf("the old one has process %d", c.PID)
	}
}

// Several namespaces of one container have one owner.
func TestNestedNamespace(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.process(11, "/docker/"+hex+"/below")
	s.born(7, 1, 10)
	s.born(8, 2, 11)
	s.named(hex, "web")
	a, _ := s.table.Lookup(7, 0)
	b, _ := s.table.Lookup(8, 0)
	if a == nil || a != b || a.PID != 10 {
		t.Errorf("got %+v and %+v", a, b)
	}
	if s.table.Matches() != 1 || len(s.table.Containers()) != 1 || len(s.asks) != 1 {
		t.Errorf("%d matches, %d containers, asked %d times", s.table.Matches(), len(s.table.Containers()), len(s.asks))
	}
}

func TestUndecided(t *testing.T) {
	s := newScene(t, policy{})
	if s.undecided(s.now) {
		t.Error("with nothing")
	}
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	if !s.undecided(s.now) || s.undecided(s.now-1) {
		t.Error("with one that waits for its name")
	}
	s.named(hex, "web")
	if s.undecided(s.now) {
		t.Error("with one that has a name")
	}
}

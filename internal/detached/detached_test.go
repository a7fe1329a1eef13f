package detached

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func newState(name string) *State {
	self, _ := Self()
	return &State{Version: Version, Name: name, Gadget: "trace_exec:v1", Status: Starting, Process: self, Created: time.Now()}
}

// TestNames: a name and an id are one run's, also when many are made at once.
func TestNames(t *testing.T) {
	dir := At(filepath.Join(t.TempDir(), "runs"))
	var group sync.WaitGroup
	made := make(chan error, 20)
	for range 20 {
		group.Go(func() {
			_, err := dir.Create(newState("one"), false)
			made <- err
		})
	}
	group.Wait()
	good := 0
	for range 20 {
		var taken *TakenError
		if err := <-made; err == nil {
			good++
		} else if !errors.As(err, &taken) {
			t.Error(err)
		}
	}
	if good != 1 {
		t.Errorf("%d runs have the name", good)
	}
	for _, want := range []string{"trace_exec", "trace_exec-2", "trace_exec-3"} {
		r, err := dir.Create(newState(""), false)
		if err != nil || r.State.Name != want || !IsID(r.State.ID) {
			t.Errorf("name %q, want %q: %v", r.State.Name, want, err)
		}
	}
	runs, err := dir.List()
	if err != nil || len(runs) != 4 {
		t.Errorf("%d runs: %v", len(runs), err)
	}
}

func TestFind(t *testing.T) {
	dir := At(filepath.Join(t.TempDir(), "runs"))
	for id, name := range map[string]string{"aabb00000001": "one", "aabb00000002": "two", "ccdd00000003": "aabb"} {
		s := newState(name)
		s.ID = id
		if _, err := dir.Create(s, false); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"one": "one", "aabb": "aabb", "aabb00000002": "two", "cc": "aabb",
		"aab": `"aab" begins the id of several runs: aabb00000001, aabb00000002`, "": `there is no run ""`, "../x": `there is no run "../x"`,
	} {
		r, err := dir.Find(name)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = r.State.Name
		}
		if got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

// TestReplace removes a run that has ended, and no other.
func TestReplace(t *testing.T) {
	dir := At(filepath.Join(t.TempDir(), "runs"))
	first, err := dir.Create(newState("one"), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Create(newState("one"), true); err == nil {
		t.Error("replaced a run that goes on")
	}
	first.State.Status = Finished
	if err := first.Save(); err != nil {
		t.Fatal(err)
	}
	second, err := dir.Create(newState("one"), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Remove(second); err != nil {
		t.Fatal(err)
	}
	if runs, _ := dir.List(); len(runs) != 0 {
		t.Errorf("%d runs are left", len(runs))
	}
}

// TestDead: a process that is gone, and one that has its number by now, are not the run.
func TestDead(t *testing.T) {
	dir := At(filepath.Join(t.TempDir(), "runs"))
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	s := newState("one")
	s.Process.PID = other.Process.Pid
	s.Status = Running
	r, err := dir.Create(s, false)
	if err != nil {
		t.Fatal(err)
	}
	found, err := dir.Find("one")
	if err != nil || found.State.Status != Failed || !strings.Contains(found.State.Error, "is gone without a word while it was running") {
		t.Errorf("state %+v: %v", found.State, err)
	}
	if err := r.State.Process.Kill(); err != nil {
		t.Error(err)
	}
	if start, alive, err := startOf(other.Process.Pid); !alive || err != nil || start == s.Process.Start {
		t.Error("killed somebody else")
	}
	r.State.Process.Boot = "another"
	if err := r.Save(); err != nil {
		t.Fatal(err)
	}
	if found, err = dir.Find("one"); err != nil || !strings.Contains(found.State.Error, "started anew") {
		t.Errorf("state %+v: %v", found.State, err)
	}
}

// TestOtherVersions: states of older and newer versions, and damaged ones, are listed.
func TestOtherVersions(t *testing.T) {
	path := t.TempDir()
	for id, text := range map[string]string{
		"aaaaaaaaaaa1": `{"version":99,"id":"aaaaaaaaaaa1","name":"newer","status":"finished","novelty":{"x":[1]}}`,
		"aaaaaaaaaaa2": `{"id":"aaaaaaaaaaa2","name":"older","status":"stopped"}`,
		"aaaaaaaaaaa3": `{"version":`,
		"aaaaaaaaaaa4": `{"version":1,"id":"aaaaaaaaaaa1","name":"copy","status":"finished"}`,
	} {
		if err := os.Mkdir(filepath.Join(path, id), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, id, stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := At(path).List()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Status{}
	for _, r := range runs {
		got[r.State.Name] = r.State.Status
	}
	if len(got) != 3 || got["newer"] != Finished || got["older"] != Stopped || got["aaaaaaaaaaa3"] != Failed {
		t.Errorf("listed %v", got)
	}
}

// TestForeignDirectory refuses directories in which others could put runs.
func TestForeignDirectory(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := At(path).List(); !errors.Is(err, os.ErrPermission) {
		t.Errorf("open to all: %v", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := errors.Join(os.Chmod(path, 0o755), os.Chown(path, 1234, 1234)); err != nil {
		t.Fatal(err)
	}
	if _, err := At(path).Create(newState("one"), false); !errors.Is(err, os.ErrPermission) {
		t.Errorf("of another user: %v", err)
	}
}

// subject answers with a state, and is over when it is stopped.
type subject struct {
	stopped chan struct{}
	once    sync.Once
}

func (s *subject) Status(time.Duration) State {
	return State{Name: "one", Status: Running, Sources: []Source{{Name: "s", Delivered: 3}}}
}
func (s *subject) Stop() { s.once.Do(func() { close(s.stopped) }) }

func serve(t *testing.T) (*Run, *Server, *subject) {
	t.Helper()
	// Longer than a socket's address may be.
	dir := At(filepath.Join(t.TempDir(), strings.Repeat("long/", 30), "runs"))
	r, err := dir.Create(newState("one"), false)
	if err != nil {
		t.Fatal(err)
	}
	sub := &subject{stopped: make(chan struct{})}
	server, err := Serve(r, sub, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r, server, sub
}

func TestAsk(t *testing.T) {
	r, server, sub := serve(t)
	for range 3 {
		s, err := Ask(r, Request{Do: AskStatus}, 5*time.Second)
		if err != nil || s.Sources[0].Delivered != 3 {
			t.Fatalf("%+v: %v", s, err)
		}
	}
	if _, err := Ask(r, Request{Do: "dance"}, 5*time.Second); err == nil || !strings.Contains(err.Error(), `cannot be asked for "dance"`) {
		t.Errorf("unknown request: %v", err)
	}
	answered := make(chan *State, 1)
	go func() {
		s, _ := Ask(r, Request{Do: AskStop}, 5*time.Second)
		answered <- s
	}()
	<-sub.stopped
	r.State.Status = Stopped
	if err := server.Close(r); err != nil {
		t.Fatal(err)
	}
	if s := <-answered; s == nil || s.Status != Stopped {
		t.Errorf("stop was answered by %+v", s)
	}
	if _, err := Ask(r, Request{Do: AskStatus}, time.Second); err == nil {
		t.Error("an answer from nobody")
	}
}

// TestBadClients: those that say nothing, nonsense, or go away harm nobody.
func TestBadClients(t *testing.T) {
	r, server, _ := serve(t)
	for _, say := range []string{"", "{\"version\":1,\"do\":\"sta", "\x00\xff\n", "{}\n", strings.Repeat("x", maxRequest+1)} {
		name, done, err := address(r.Path)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("unix", name)
		done()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, say)
		if strings.HasSuffix(say, "\n") {
			line, _ := readLine(c, 1<<16)
			var a answer
			if json.Unmarshal(line, &a) != nil || a.Error == "" {
				t.Errorf("%q was answered by %q", say, line)
			}
		}
		c.Close()
	}
	if _, err := Ask(r, Request{Do: AskStatus}, 5*time.Second); err != nil {
		t.Error(err)
	}
	_ = server.Close(r)
}

// TestBadServer: what answers on the socket need not be a run.
func TestBadServer(t *testing.T) {
	for say, want := range map[string]string{
		"garbage\n": "no run of gadget", "{}\n": "no run of gadget", "": "no answer", `{"version":1}` + "\n": "has no state",
		`{"version":1,"error":"no"}` + "\n": "no",
	} {
		r, err := At(filepath.Join(t.TempDir(), "runs")).Create(newState("one"), false)
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", filepath.Join(r.Path, socketFile))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = readLine(c, 1<<16)
			_, _ = io.WriteString(c, say)
			c.Close()
		}()
		if _, err := Ask(r, Request{Do: AskStatus}, 5*time.Second); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", say, err)
		}
		// It is another process's: the run must not be taken for it.
		r.State.Process.PID = 1
		if _, err := Ask(r, Request{Do: AskStatus}, 5*time.Second); err == nil || !strings.Contains(err.Error(), "which is the run") {
			t.Errorf("another process: %v", err)
		}
		l.Close()
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"version":1,"state":{"name":"one","sources":[{"name":"s","delivered":1}]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		if s, err := parseAnswer(line); err == nil {
			s.Events()
			s.Uptime(time.Now())
			s.ExitedWith()
		}
	})
}

package container

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// serve serves an engine's API by a function and returns its address.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine") // Short: it becomes the path of a socket.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return "unix://" + path
}

// onlyDocker asks nobody else.
func onlyDocker(address string) engine.Options {
	return engine.Options{Docker: address, Wanted: func(runtime string) bool { return runtime == "docker" }}
}

// What an engine does not answer is asked again, together with what has come since.
func TestAskerTriesAgain(t *testing.T) {
	healthy := make(chan struct{})
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-healthy:
			fmt.Fprintf(w, `[{"Id": %q}]`, hex)
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	s := newAskers(t.Context(), onlyDocker(address), func(err error) { t.Error(err) })
	if asked := s.ask(engine.Ref{ID: hex}, "docker"); len(asked) != 1 {
		t.Fatalf("asked %v", asked)
	}
	if got := <-s.answers; got.err == nil || len(got.refs) != 1 {
		t.Fatalf("got %+v", got)
	}
	close(healthy)
	start := time.Now()
	got := <-s.answers
	if got.err != nil || len(got.found) != 1 {
		t.Fatalf("got %+v", got)
	}
	if d := time.Since(start); d < retryEngine/2 {
		t.Errorf("asked again after %v", d)
	}
	for _, a := range s.known {
		if left := a.open(); len(left) != 0 {
			t.Errorf("still asking for %v", left)
		}
	}
}

// Engines are looked for again: they may be started later. What cannot be asked is
// said once.
func TestAskersFindEngines(t *testing.T) {
	var problems []string
	s := newAskers(t.Context(), onlyDocker("tcp://elsewhere:1"), func(err error) { problems = append(problems, err.Error()) })
	for range 2 {
		if asked := s.ask(engine.Ref{ID: hex}, "docker"); len(asked) != 0 {
			t.Errorf("asked %v", asked)
		}
		s.found = time.Time{}
	}
	if len(problems) != 1 || !strings.Contains(problems[0], "everything else works") {
		t.Errorf("problems are %q", problems)
	}
	s.options.Docker = serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "[]") })
	if asked := s.ask(engine.Ref{ID: hex}, "docker"); len(asked) != 1 {
		t.Errorf("asked %v", asked)
	}
	if asked := s.ask(engine.Ref{ID: hex}, "podman"); len(asked) != 0 {
		t.Errorf("asked %v for a container of podman", asked)
	}
}

func TestRuntimes(t *testing.T) {
	docker := func(address string) Runtime {
		t.Helper()
		for _, r := range Runtimes(t.Context(), onlyDocker(address)) {
			return r
		}
		return Runtime{}
	}
	answers := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/version" {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprint(w, `{"Version":"20.10.24"}`)
	})
	if r := docker(answers); r.Version != "20.10.24" || "unix://"+r.Socket != answers || r.Err != nil {
		t.Errorf("found %+v", r)
	}
	refuses := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", http.StatusForbidden) })
	if r := docker(refuses); r.Err == nil || !strings.Contains(r.Err.Error(), "403") {
		t.Errorf("found %+v", r)
	}
	if r := docker("tcp://elsewhere"); r.Err == nil {
		t.Errorf("found %+v", r)
	}
}

// The first who knows the name decides; labels are waited for when they are chosen by.
func TestSeveralEngines(t *testing.T) {
	files := &engine.Source{Runtime: "podman", Address: engine.Files}
	service := &engine.Source{Runtime: "podman", Address: "/run/podman/podman.sock"}
	ref := engine.Ref{ID: hex}
	says := func(s *scene, source *engine.Source, info engine.Info) {
		s.answer(answer{source: source, refs: []engine.Ref{ref}, found: map[engine.Ref]engine.Info{ref: info}})
		s.publish()
	}
	start := func(p policy) *scene {
		s := newScene(t, p)
		s.ask = func(engine.Ref, string) []*engine.Source { return []*engine.Source{files, service} }
		s.process(10, "/machine.slice/libpod-"+hex+".scope")
		s.born(7, 1, 10)
		return s
	}
	s := start(policy{})
	says(s, files, engine.Info{Runtime: "podman", Name: "web"})
	s.is(7, 0, Known, "web")
	says(s, service, engine.Info{Runtime: "podman", Labels: map[string]string{"app": "shop", "a": "b"}})
	if c, _ := s.table.Lookup(7, 0); c.Name != "web" || c.LabelText != "a=b,app=shop" || c.Status != "known" {
		t.Errorf("got %+v", c)
	}

	s = start(policy{selector: Selector{Labels: Labels{{Key: "app", Value: "shop"}}}})
	says(s, files, engine.Info{Runtime: "podman", Name: "web"})
	s.is(7, 0, Pending, "web")
	says(s, service, engine.Info{PodLabels: map[string]string{"app": "shop"}})
	s.is(7, 0, Known, "web")
	if _, v := s.table.Judge(7, 0); v != Emit {
		t.Errorf("judged %v", v)
	}
}

// Why there is no name is part of the container.
func TestStatus(t *testing.T) {
	tests := []struct {
		name   string
		cgroup string
		answer *answer
		want   string
	}{
		{"nobody to ask", "/machine.slice/libpod-" + hex + ".scope", nil, "unknown:podman is not here to be asked"},
		{"silence", "/docker/" + hex, nil, "unknown:no answer within 100ms"},
		{"refusal", "/docker/" + hex, &answer{err: errors.New("no")}, "unknown:no"},
		{"not known", "/docker/" + hex, &answer{}, "unknown:no runtime knows it"},
		{"known", "/docker/" + hex, &answer{found: map[engine.Ref]engine.Info{{ID: hex}: {}}}, "known"},
		{"no engine", "/system.slice/runc-box.scope", nil, "known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, policy{})
			s.process(10, tt.cgroup)
			s.born(7, 1, 10)
			if tt.answer != nil {
				tt.answer.source, tt.answer.refs = theDocker, []engine.Ref{{ID: hex}}
				s.answer(*tt.answer)
				s.publish()
			}
			s.pass(101 * ms)
			if c, _ := s.table.Lookup(7, 0); c == nil || c.Status != tt.want {
				t.Errorf("got %+v, want status %q", c, tt.want)
			}
		})
	}
}

package container

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
)

// fakeDocker serves the docker API's list by a function, to be as bad as no real
// docker can be made to be.
func fakeDocker(t *testing.T, list http.HandlerFunc) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "docker") // Short: it becomes the path of a socket.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: list}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return "unix://" + path
}

func TestDockerLookup(t *testing.T) {
	host := fakeDocker(t, func(w http.ResponseWriter, r *http.Request) {
		var filters map[string][]string
		if err := json.Unmarshal([]byte(r.FormValue("filters")), &filters); err != nil {
			t.Error(err)
		}
		if r.URL.Path != "/containers/json" || r.FormValue("all") != "true" {
			t.Errorf("asked for %s", r.URL)
		}
		var list []map[string]any
		for _, id := range filters["id"] {
			if id != other {
				list = append(list, map[string]any{"Id": id, "Names": []string{"/shop/db", "/web"}, "Image": "nginx:1"})
			}
		}
		json.NewEncoder(w).Encode(list)
	})
	d, err := newDocker(host)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{hex, other}
	for i := range 150 {
		ids = append(ids, fmt.Sprintf("%064x", i))
	}
	found, err := d.lookup(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(ids)-1 {
		t.Errorf("%d of %d found", len(found), len(ids)-1)
	}
	answer := found[hex]
	got := answer.apply(&event.Container{ID: hex, PID: 1, Name: "short"})
	want := &event.Container{ID: hex, PID: 1, Name: "web", Image: "nginx:1", Runtime: "docker"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDockerKubernetesLabels(t *testing.T) {
	d := dockerContainer{ID: hex, Names: []string{"/k8s_web_cart_shop"}, Labels: map[string]string{
		"io.kubernetes.pod.name": "cart", "io.kubernetes.pod.namespace": "shop", "io.kubernetes.container.name": "web",
	}}
	c := d.apply(&event.Container{})
	if c.Pod != "cart" || c.Namespace != "shop" || c.PodContainer != "web" {
		t.Errorf("got %+v", c)
	}
}

func TestBadDocker(t *testing.T) {
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"garbage", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "not what the docker API gives"},
		{"another shape", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"Id": 3}`) }, "not what the docker API gives"},
		{"too much", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `[{"Image":"`)
			for chunk := strings.Repeat("x", 1<<20); ; {
				if _, err := fmt.Fprint(w, chunk); err != nil {
					return
				}
			}
		}, "larger than 16 MiB"},
		{"refusal", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"message": "not for you"}`)
		}, "403 Forbidden not for you"},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within"},
		{"the connection breaks", func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			c.Close()
		}, "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, err := newDocker(fakeDocker(t, tt.handler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*dockerTimeout)
			defer cancel()
			_, err = d.lookup(ctx, []string{hex})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), d.socket) {
				t.Errorf("got %v, want something with %q and the socket", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "http://") {
				t.Errorf("%v speaks of an address that we made up", err)
			}
		})
	}
}

func TestNoDocker(t *testing.T) {
	d, err := newDocker("unix:///nonexistent/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.lookup(t.Context(), []string{hex})
	if err == nil || d.absent(err) {
		t.Errorf("a docker that was asked for: %v", err)
	}
	d.configured = false
	if !d.absent(err) {
		t.Errorf("nobody asked for docker: %v", err)
	}
	for _, host := range []string{"tcp://10.0.0.1:2375", "ssh://host", "/run/docker.sock", "unix://"} {
		if _, err := newDocker(host); err == nil || !strings.Contains(err.Error(), "only unix://") {
			t.Errorf("%s: got %v", host, err)
		}
	}
}

// What docker does not answer is asked again, together with what has come since.
func TestAskerTriesAgain(t *testing.T) {
	healthy := make(chan struct{})
	d, err := newDocker(fakeDocker(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-healthy:
			fmt.Fprintf(w, `[{"Id": %q}]`, hex)
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	a := newAsker(d)
	go a.run(t.Context())
	a.ask(hex)
	if got := <-a.answers; got.err == nil || len(got.ids) != 1 {
		t.Fatalf("got %+v", got)
	}
	close(healthy)
	start := time.Now()
	got := <-a.answers
	if got.err != nil || len(got.found) != 1 {
		t.Fatalf("got %+v", got)
	}
	if d := time.Since(start); d < retryDocker/2 {
		t.Errorf("asked again after %v", d)
	}
	if left := a.open(); len(left) != 0 {
		t.Errorf("still asking for %v", left)
	}
}

func FuzzDockerAnswer(f *testing.F) {
	f.Add([]byte(`[{"Id":"a","Names":["/a/b","/c"],"Labels":{"io.kubernetes.pod.name":"p"}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var list []dockerContainer
		if json.Unmarshal(body, &list) != nil {
			return
		}
		for _, d := range list {
			c := d.apply(&event.Container{Name: "id"})
			if c.Name == "" || c.Name != "id" && strings.Contains(c.Name, "/") {
				t.Errorf("name is %q", c.Name)
			}
		}
	})
}

package engine

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDockerLookup(t *testing.T) {
	asked := 0
	socket := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/images/") {
			asked++
			fmt.Fprintf(w, `{"RepoDigests":["nginx@sha256:%s"]}`, other)
			return
		}
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
				list = append(list, map[string]any{"Id": id, "Names": []string{"/shop/db", "/web"}, "Image": "nginx:1", "ImageID": "sha256:" + hex})
			}
		}
		json.NewEncoder(w).Encode(list)
	})
	refs := []Ref{{ID: hex, Bundle: "/b"}, {ID: other}}
	for i := range 150 {
		refs = append(refs, Ref{ID: fmt.Sprintf("%064x", i)})
	}
	found, err := newDocker("docker", socket).Lookup(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(refs)-1 || asked != 1 {
		t.Errorf("%d of %d found, asked %d times for the image", len(found), len(refs)-1, asked)
	}
	want := Info{Runtime: "docker", Name: "web", Image: "nginx:1", ImageDigest: "sha256:" + other}
	if diff := cmp.Diff(want, found[refs[0]]); diff != "" {
		t.Error(diff)
	}
}

func TestDockerKubernetesLabels(t *testing.T) {
	d := dockerContainer{ID: hex, Names: []string{"/k8s_web_cart_shop"}, Labels: map[string]string{
		"io.kubernetes.pod.name": "cart", "io.kubernetes.pod.namespace": "shop", "io.kubernetes.container.name": "web",
	}}
	i := d.info("docker", "")
	if i.Pod != "cart" || i.Namespace != "shop" || i.PodContainer != "web" {
		t.Errorf("got %+v", i)
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
		{"10 MB", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `[{"Image":"%s"}]`, strings.Repeat("x", 10<<20))
		}, "larger than 8 MiB"},
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
			d := newDocker("docker", serve(t, tt.handler))
			_, err := d.Lookup(t.Context(), []Ref{{ID: hex}})
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), d.socket) {
				t.Errorf("got %v, want something with %q and the socket", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "http://") {
				t.Errorf("%v speaks of an address that we made up", err)
			}
		})
	}
}

// What is too long to be a name does not get into every event.
func TestBounds(t *testing.T) {
	many := map[string]string{}
	for i := range 1000 {
		many[fmt.Sprintf("key-%04d", i)] = strings.Repeat("v", 100)
	}
	d := dockerContainer{ID: hex, Names: []string{"/" + strings.Repeat("n", 5000)}, Image: strings.Repeat("i", 5000), Labels: many}
	i := d.info("docker", "")
	if len(i.Name) != maxName || len(i.Image) != maxName {
		t.Errorf("the name has %d bytes, the image %d", len(i.Name), len(i.Image))
	}
	if n := len(i.Labels); n == 0 || n > maxLabels/100 || i.Labels["key-0000"] == "" {
		t.Errorf("%d labels are left", n)
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
			if i := d.info("docker", ""); strings.Contains(i.Name, "/") || len(i.Name) > maxName {
				t.Errorf("name is %q", i.Name)
			}
		}
	})
}

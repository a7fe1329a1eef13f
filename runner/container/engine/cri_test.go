package engine

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCRI(t *testing.T) {
	web := object(1, text(1, hex), text(2, other), object(3, text(1, "web")), object(4, text(1, "sha256:abc")), text(5, "sha256:abc"),
		labels(8, "io.kubernetes.container.name", "web"))
	pod := object(1, text(1, other), object(2, text(1, "cart"), text(2, "u-1"), text(3, "shop")), labels(5, "app", "shop", "io.kubernetes.pod.uid", "u-1"))
	c := newCRI("cri-o", serve(t, func(w http.ResponseWriter, r *http.Request) {
		request, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case methodCRIContainers:
			answerGRPC(w, web, statusOK)
		case methodCRIPods:
			answerGRPC(w, pod, statusOK)
		case methodCRIVersion:
			answerGRPC(w, text(3, "1.30.0"), statusOK)
		case methodCRIImage:
			if !strings.Contains(string(request), "sha256:abc") {
				t.Errorf("asked for image %q", request)
			}
			answerGRPC(w, object(1, text(1, "sha256:abc"), text(2, "docker.io/library/nginx:1"), text(3, "docker.io/library/nginx@sha256:"+hex)), statusOK)
		}
	}))
	if v, err := c.Version(t.Context()); v != "1.30.0" || err != nil {
		t.Errorf("version is %q %v", v, err)
	}
	refs := []Ref{{ID: hex}, {ID: other}, {ID: "gone"}}
	found, err := c.Lookup(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	want := map[Ref]Info{
		refs[0]: {
			Runtime: "cri-o", Name: "web", Image: "docker.io/library/nginx:1", ImageDigest: "sha256:" + hex,
			Namespace: "shop", Pod: "cart", PodUID: "u-1", PodContainer: "web",
			Labels: map[string]string{"io.kubernetes.container.name": "web"}, PodLabels: map[string]string{"app": "shop"},
		},
		refs[1]: {
			Runtime: "cri-o", Name: "cart", Namespace: "shop", Pod: "cart", PodUID: "u-1",
			Labels: map[string]string{"app": "shop", "io.kubernetes.pod.uid": "u-1"}, PodLabels: map[string]string{"app": "shop"},
		},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
	// A containerd without pods knows none.
	c = newCRI("containerd", serve(t, func(w http.ResponseWriter, _ *http.Request) { answerGRPC(w, nil, statusUnimplemented) }))
	if found, err := c.Lookup(t.Context(), refs); err != nil || len(found) != 0 {
		t.Errorf("found %v %v", found, err)
	}
}

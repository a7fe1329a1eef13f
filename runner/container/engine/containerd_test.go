package engine

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
)

func protoNumber(n int) protowire.Number { return protowire.Number(n) }

// spec is the Any with the specification of a container.
func spec(annotations string) []byte {
	return object(5, text(1, "types.containerd.io/opencontainers/runtime-spec/1/Spec"), text(2, `{"annotations":{`+annotations+`}}`))
}

// fakeContainerd has a namespace k8s.io with a pod and a container in it, and one
// named default with one made by ctr.
func fakeContainerd(t *testing.T) http.HandlerFunc {
	pod := object(1, text(1, other), text(3, "pause:1"), labels(2, "app", "shop", "io.kubernetes.pod.name", "cart", criKind, "sandbox"),
		spec(`"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-name":"cart","io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-uid":"u-1","io.kubernetes.cri.sandbox-id":"`+other+`"`))
	web := object(1, text(1, hex), text(3, "sha256:abc"), labels(2, "tier", "front", criKind, "container"),
		spec(`"io.kubernetes.cri.container-name":"web","io.kubernetes.cri.container-type":"container","io.kubernetes.cri.image-name":"nginx:1","io.kubernetes.cri.sandbox-name":"cart","io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-uid":"u-1","io.kubernetes.cri.sandbox-id":"`+other+`"`))
	c1 := object(1, text(1, "c1"), text(3, "docker.io/library/busybox:1"))
	return func(w http.ResponseWriter, r *http.Request) {
		request, err := io.ReadAll(r.Body)
		if err != nil || r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" || r.Header.Get("Content-Type") != "application/grpc" {
			t.Errorf("a request that is not gRPC: %v %v", r, err)
		}
		namespace := r.Header.Get("containerd-namespace")
		switch r.URL.Path {
		case methodNamespaces:
			answerGRPC(w, append(object(1, text(1, "default")), object(1, text(1, "k8s.io"))...), statusOK)
		case methodContainers:
			list := []byte{}
			for id, c := range map[string][]byte{"k8s.io " + hex: web, "k8s.io " + other: pod, "default c1": c1} {
				ns, id, _ := strings.Cut(id, " ")
				if ns == namespace && strings.Contains(string(request), fmt.Sprintf("id==%q", id)) {
					list = append(list, c...)
				}
			}
			answerGRPC(w, list, statusOK)
		case methodImage:
			if strings.Contains(string(request), "pause") {
				answerGRPC(w, nil, statusNotFound)
				return
			}
			answerGRPC(w, object(1, object(3, text(2, "sha256:"+hex))), statusOK)
		case methodVersion:
			answerGRPC(w, text(1, "1.6.20"), statusOK)
		default:
			answerGRPC(w, nil, statusUnimplemented)
		}
	}
}

func TestContainerd(t *testing.T) {
	c := newContainerd(serve(t, fakeContainerd(t)), nil)
	if v, err := c.Version(t.Context()); v != "1.6.20" || err != nil {
		t.Errorf("version is %q %v", v, err)
	}
	refs := []Ref{{ID: hex}, {ID: other}, {ID: "c1", Namespace: "default"}, {ID: "c1", Namespace: "k8s.io"}, {ID: "gone"}}
	found, err := c.Lookup(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	want := map[Ref]Info{
		refs[0]: {
			Runtime: "containerd", Name: "web", Image: "nginx:1", ImageDigest: "sha256:" + hex,
			Namespace: "shop", Pod: "cart", PodUID: "u-1", PodContainer: "web",
			Labels: map[string]string{"tier": "front", criKind: "container"}, PodLabels: map[string]string{"app": "shop"},
		},
		refs[1]: {
			Runtime: "containerd", Name: "cart", Image: "pause:1", Namespace: "shop", Pod: "cart", PodUID: "u-1",
			Labels:    map[string]string{"app": "shop", "io.kubernetes.pod.name": "cart", criKind: "sandbox"},
			PodLabels: map[string]string{"app": "shop"},
		},
		refs[2]: {Runtime: "containerd", Name: "c1", Image: "docker.io/library/busybox:1", ImageDigest: "sha256:" + hex},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
	// Only where one is told to look.
	c = newContainerd(c.grpc.socket, []string{"k8s.io"})
	if found, err = c.Lookup(t.Context(), []Ref{{ID: "c1"}, {ID: hex}}); err != nil || len(found) != 1 {
		t.Errorf("found %v %v", found, err)
	}
}

func TestBadContainerd(t *testing.T) {
	framed := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { answerGRPC(w, []byte(body), statusOK) }
	}
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, "not gRPC"},
		{"garbage", framed("\xff\xff\xff"), "no message of its API"},
		{"garbage inside", framed(string(object(1, []byte("\xff\xff\xff")))), "no message of its API"},
		{"cut off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			w.Write([]byte{0, 0, 0, 0, 9, 1})
			w.Header().Set("Grpc-Status", statusOK)
		}, "not one gRPC message"},
		{"no status", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Write([]byte{0, 0, 0, 0, 0})
		}, "no status"},
		{"10 MB", framed(strings.Repeat("x", 10<<20)), "larger than 8 MiB"},
		{"refusal", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Grpc-Message", "not%20for you")
			answerGRPC(w, nil, "7")
		}, "not for you"},
		{"silence", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within"},
		{"the connection breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ""},
	}
	for _, tt := range tests {
		for _, e := range []func(socket string) Engine{
			func(socket string) Engine { return newContainerd(socket, nil) },
			func(socket string) Engine { return newCRI("cri-o", socket) },
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				socket := serve(t, tt.handler)
				_, err := e(socket).Lookup(t.Context(), []Ref{{ID: hex}})
				if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), socket) || strings.Contains(err.Error(), "http://") {
					t.Errorf("got %v, want something with %q and the socket", err, tt.want)
				}
			})
		}
	}
}

// A server that does not even speak HTTP, and one that says nothing.
func TestNoServer(t *testing.T) {
	for _, say := range []string{"hello, this is no HTTP\r\n\r\n", ""} {
		l, path := listen(t)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				io.WriteString(c, say)
			}
		}()
		start := time.Now()
		if _, err := newContainerd(path, nil).Lookup(t.Context(), []Ref{{ID: hex}}); err == nil || time.Since(start) > 2*timeout {
			t.Errorf("after %q: %v within %v", say, err, time.Since(start))
		}
	}
}

// A server that is started again is asked again, on a new connection.
func TestRestart(t *testing.T) {
	l, path := listen(t)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	first := &http.Server{Handler: fakeContainerd(t), Protocols: &protocols}
	go first.Serve(l)
	c := newContainerd(path, nil)
	if found, err := c.Lookup(t.Context(), []Ref{{ID: hex}}); err != nil || len(found) != 1 {
		t.Fatalf("found %v %v", found, err)
	}
	first.Close()
	if _, err := c.Lookup(t.Context(), []Ref{{ID: hex}}); err == nil {
		t.Error("an answer from nobody")
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	second := &http.Server{Handler: fakeContainerd(t), Protocols: &protocols}
	go second.Serve(l)
	t.Cleanup(func() { second.Close() })
	if found, err := c.Lookup(t.Context(), []Ref{{ID: hex}}); err != nil || len(found) != 1 {
		t.Errorf("found %v %v", found, err)
	}
}

func FuzzContainerd(f *testing.F) {
	f.Add(object(1, text(1, hex), labels(2, "a", "b"), spec(`"a":"b"`)))
	f.Fuzz(func(t *testing.T, body []byte) {
		_ = message(body).list(1, func(m message) error {
			c, err := decodeContainerd(m)
			if err == nil {
				c.info(nil, "")
			}
			return err
		})
	})
}

package registry

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestMirrorNames(t *testing.T) {
	for _, c := range []struct{ mirror, image, want string }{
		{"ghcr.io=mirror.example.com", "acme/tool:v1", "mirror.example.com/acme/tool:v1"},
		{"ghcr.io=localhost:5000/ghcr", "trace_exec", "localhost:5000/ghcr/inspektor-gadget/gadget/trace_exec:latest"},
		{"ghcr.io/acme=localhost:5000/x/y/", "acme/tool:v1", "localhost:5000/x/y/tool:v1"},
		{"ghcr.io/acme=localhost:5000", "acme/tool@" + someDigest, "localhost:5000/tool@" + someDigest},
		{"ghcr.io/acme/tool=localhost:5000/one", "acme/tool:v1", "localhost:5000/one:v1"},
		{"ghcr.io/acm=localhost:5000", "acme/tool:v1", ""},
		{"quay.io=localhost:5000", "acme/tool:v1", ""},
		{"ghcr.io", "x", "not of the form REGISTRY=MIRROR"},
		{"=x", "x", "not of the form REGISTRY=MIRROR"},
		{"ghcr.io=mirror", "x", `"mirror" is no registry`},
		{"ghcr.io=https://mirror.example.com", "x", "names have no scheme"},
	} {
		m, err := ParseMirror(c.mirror)
		if err != nil {
			if c.want == "" || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", c.mirror, err, c.want)
			}
			continue
		}
		got, ok := m.of(ref(t, c.image))
		if ok != (c.want != "") || ok && got.String() != c.want {
			t.Errorf("%s of %s: %s, %v, want %s", c.image, c.mirror, got, ok, c.want)
		}
	}
}

// TestMirrors pulls from the first place that has an image, with what is attached to
// it, and pushes to none of them.
func TestMirrors(t *testing.T) {
	empty, full, origin := modernRegistry(t, nil), modernRegistry(t, nil), modernRegistry(t, nil)
	s := testStore(t)
	d := put(t, s, testImage("x"), "acme/tool:v1")
	attached := sign(t, s, d, "acme/tool:v1")
	remote, to := full.remote(t, "cache/acme/tool:v1")
	mustCopy(t, s, "acme/tool:v1", remote, to)

	name := ref(t, origin.host+"/acme/tool:v1")
	var words bytes.Buffer
	c := NewClient(ClientOptions{Log: slog.New(slog.NewTextHandler(&words, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	mirrors := []Mirror{{"other.example.com", "127.0.0.1:1"}, {origin.host, "127.0.0.1:1/dead"}, {origin.host, empty.host}, {origin.host + "/acme", full.host + "/cache/acme"}}
	pulled := testStore(t)
	mustCopy(t, c.RemoteFor(name, mirrors), name.String(), pulled, name)
	same(t, pulled, name.String(), d, attached)
	if n := strings.Count(words.String(), "passed over"); n != 1 || !strings.Contains(words.String(), "127.0.0.1:1") {
		t.Errorf("warnings: %s", words.String())
	}

	// What no mirror has is looked for at its own place, whose answer counts.
	_, err := c.RemoteFor(ref(t, origin.host+"/acme/none:v1"), mirrors).Resolve(t.Context(), origin.host+"/acme/none:v1")
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "registry "+origin.host) {
		t.Errorf("an image that is nowhere: %v", err)
	}
	there, to := origin.remote(t, "acme/only:v1")
	mustCopy(t, s, "acme/tool:v1", there, to)
	if got, err := c.RemoteFor(to, mirrors).Resolve(t.Context(), to.String()); err != nil || got.Digest != d {
		t.Errorf("an image that only the registry has: %v, %v", got, err)
	}
	offline := NewClient(ClientOptions{Offline: true, Transport: deadly{t}})
	if _, err := offline.RemoteFor(name, mirrors).Resolve(t.Context(), name.String()); !errors.Is(err, ErrOffline) {
		t.Errorf("offline: %v", err)
	}
}

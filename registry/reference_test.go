package registry

import (
	"strings"
	"testing"
)

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestParseReference(t *testing.T) {
	for _, c := range []struct{ in, full, familiar string }{
		{"trace_open", "ghcr.io/inspektor-gadget/gadget/trace_open:latest", "trace_open:latest"},
		{"trace_open:v0.40.0", "ghcr.io/inspektor-gadget/gadget/trace_open:v0.40.0", "trace_open:v0.40.0"},
		{"foo/bar", "ghcr.io/foo/bar:latest", "ghcr.io/foo/bar:latest"},
		{"localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"},
		{"localhost/x:1", "localhost/x:1", "localhost/x:1"},
		{"docker.io/me/x", "docker.io/me/x:latest", "docker.io/me/x:latest"},
		{"docker.io/x", "docker.io/x:latest", "docker.io/x:latest"},
		{"ghcr.io/x", "ghcr.io/inspektor-gadget/gadget/x:latest", "x:latest"},
		{"ghcr.io/inspektor-gadget/gadget/trace_exec", "ghcr.io/inspektor-gadget/gadget/trace_exec:latest", "trace_exec:latest"},
		{"inspektor-gadget/gadget/ci/x", "ghcr.io/inspektor-gadget/gadget/ci/x:latest", "ghcr.io/inspektor-gadget/gadget/ci/x:latest"},
		{"MyHost/x", "MyHost/x:latest", "MyHost/x:latest"},
		{"[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"},
		{"10.0.0.1/a/b/c:T-1_x", "10.0.0.1/a/b/c:T-1_x", "10.0.0.1/a/b/c:T-1_x"},
		{"x@" + someDigest, "ghcr.io/inspektor-gadget/gadget/x@" + someDigest, "x@" + someDigest},
		{"x:v1@" + someDigest, "ghcr.io/inspektor-gadget/gadget/x:v1@" + someDigest, "x:v1@" + someDigest},
		{"foo:5000", "ghcr.io/inspektor-gadget/gadget/foo:5000", "foo:5000"},
		{"a.b", "ghcr.io/inspektor-gadget/gadget/a.b:latest", "a.b:latest"},
	} {
		r, err := ParseReference(c.in)
		if err != nil {
			t.Errorf("%q: %v", c.in, err)
			continue
		}
		if r.String() != c.full || r.Familiar() != c.familiar {
			t.Errorf("%q: got %s, familiar %s; want %s, familiar %s", c.in, r, r.Familiar(), c.full, c.familiar)
		}
	}
}

func TestParseReferenceErrors(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "the name of the image is empty"},
		{"http://ghcr.io/x", `names have no scheme; write "ghcr.io/x"`},
		{"https://localhost:5000/x:1", `names have no scheme; write "localhost:5000/x:1"`},
		{"oci://x", "names have no scheme"},
		{"Trace_Open:V1", `image name "Trace_Open:V1": repositories are in lower case; write "trace_open:V1"`},
		{"ghcr.io/Me/x", `repositories are in lower case; write "ghcr.io/me/x"`},
		{"x@sha256:12", `a digest is sha256: and 64 of 0-9 a-f, not "sha256:12"`},
		{"x@" + strings.ToUpper(someDigest), "a digest is sha256: and 64 of 0-9 a-f"},
		{"x@", "a digest is sha256:"},
		{"x:", `a tag is up to 128 letters, digits and _ . -, not ""`},
		{"x:a b", "names have no spaces"},
		{"x:" + strings.Repeat("a", 129), "a tag is up to 128 letters"},
		{"x:ü", `a tag is up to 128 letters, digits and _ . -, not "ü"`},
		{"-x", "is not of the form [REGISTRY/]NAME[:TAG][@DIGEST]"},
		{"x/", "is not of the form"},
		{"/x", "is not of the form"},
		{"a//b", "is not of the form"},
		{"../x", "is not of the form"},
		{"foo:tag/bar", "is not of the form"},
		{strings.Repeat("a", 300), "more than 255 characters"},
		{strings.Repeat("a", 3000), "more than 1024"},
	} {
		r, err := ParseReference(c.in)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: got %v, %v; want %s", c.in, r, err, c.want)
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"trace_open", "a.b/c:d@" + someDigest, "[::1]:5/x", "X/y", "a__b--c/d.e", "http://x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReference(s)
		if err != nil {
			if r != (Reference{}) {
				t.Fatalf("a reference beside an error: %+v", r)
			}
			return
		}
		for _, name := range []string{r.String(), r.Familiar()} {
			if again, err := ParseReference(name); err != nil || again != r {
				t.Fatalf("%q → %+v → %q → %+v, %v", s, r, name, again, err)
			}
		}
		if (r.Tag == "" && r.Digest == "") || r.Domain == "" || r.Path == "" {
			t.Fatalf("incomplete: %+v", r)
		}
	})
}

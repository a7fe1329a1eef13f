package registry

import (
	"bytes"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/gadget-bpf/gadget/schemas"
)

// TestListAttached lists what is attached in a store, and in a registry that it was
// pushed to.
func TestListAttached(t *testing.T) {
	s := testStore(t)
	d := put(t, s, testImage("a"), "localhost:1/acme/a:v1")
	want := sign(t, s, d, "localhost:1/acme/a:v1")
	slices.Sort(want)
	reg := modernRegistry(t, nil)
	remote, to := reg.remote(t, "acme/a:v1")
	mustCopy(t, s, "localhost:1/acme/a:v1", remote, to)
	for name, src := range map[string]Source{"store": s, "registry": remote} {
		info, err := Describe(t.Context(), src, mustResolve(t, s, ref(t, "localhost:1/acme/a:v1")))
		if err != nil {
			t.Fatal(err)
		}
		all, err := ListAttached(t.Context(), src, info)
		if err != nil {
			t.Fatal(err)
		}
		var got []digest.Digest
		kinds := map[string]int{}
		for _, a := range all {
			got = append(got, a.Digest)
			kinds[a.Type]++
			if about := a.Subject; about != d && about != info.Platforms[0].Digest {
				t.Errorf("%s: %s is about %s", name, a.Digest, about)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || kinds["application/x-signature"] < 2 {
			t.Errorf("%s: attached are %v of types %v, want %v", name, got, kinds, want)
		}
	}
}

// TestLoadLayers reads one kind of layer, though another one is damaged.
func TestLoadLayers(t *testing.T) {
	s := testStore(t)
	img := testImage("a")
	program := []byte("program")
	img.Platforms = []schemas.Platform{{OS: "linux", Arch: "amd64", Layers: []schemas.Layer{
		{MediaType: schemas.MediaTypeProgram, Data: program}, {MediaType: schemas.MediaTypeWASM, Data: []byte("module")},
	}}}
	d := put(t, s, img, "a")
	info, err := s.Describe(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	info.Platforms[0].Layers[1].Digest = digest.FromString("nowhere")
	got, err := LoadLayers(t.Context(), s, info, "amd64", schemas.MediaTypeProgram)
	if err != nil {
		t.Fatal(err)
	}
	if l := got.Platforms[0].Layers; len(l) != 1 || !bytes.Equal(l[0].Data, program) {
		t.Errorf("layers %v", l)
	}
}

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/schemas"
)

const metadata = `name: trace thing
description: Traces things
sourceURL: https://example.org/src
annotations:
  org.example.Colour: blue
`

// testImage has both platforms; different seeds make different images.
func testImage(seed string) *schemas.Image {
	return &schemas.Image{
		Metadata: []byte(metadata),
		Annotations: map[string]string{
			ocispec.AnnotationCreated:        "1970-01-01T00:00:00Z",
			schemas.AnnotationBuilderVersion: "v1.0.0",
		},
		Platforms: []schemas.Platform{
			{OS: "linux", Arch: "amd64", Layers: []schemas.Layer{
				{MediaType: schemas.MediaTypeProgram, Data: []byte("amd64 program " + seed)},
				{MediaType: schemas.MediaTypeWASM, Data: []byte("module")},
				{MediaType: "application/x-unknown", Data: []byte("kept")},
			}},
			{OS: "linux", Arch: "arm64", Layers: []schemas.Layer{
				{MediaType: schemas.MediaTypeProgram, Data: []byte("arm64 program " + seed)},
				{MediaType: schemas.MediaTypeWASM, Data: []byte("module")},
			}},
		},
	}
}

func testStore(t testing.TB) *Store {
	t.Helper()
	s, err := OpenStore(filepath.Join(t.TempDir(), "store"), StoreOptions{Now: func() time.Time { return time.Unix(1e9, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ref(t testing.TB, name string) Reference {
	t.Helper()
	r, err := ParseReference(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func put(t testing.TB, s *Store, img *schemas.Image, names ...string) digest.Digest {
	t.Helper()
	var refs []Reference
	for _, n := range names {
		refs = append(refs, ref(t, n))
	}
	d, err := s.Put(t.Context(), img, refs...)
	if err != nil {
		t.Fatal(err)
	}
	return d.Digest
}

// blobs returns the names of the blobs on disk.
func blobs(t testing.TB, s *Store) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.Dir(), "blobs", "sha256"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestPutAndRead(t *testing.T) {
	ctx, s, img := t.Context(), testStore(t), testImage("a")
	d := put(t, s, img, "me/thing:v1")
	for _, name := range []string{"me/thing:v1", "ghcr.io/me/thing:v1", string(d), "sha256:" + d.Encoded()[:6], d.Encoded()[:4], d.Encoded(), "me/thing@" + string(d)} {
		got, err := s.Resolve(ctx, name)
		if err != nil || got.Digest != d || got.MediaType != ocispec.MediaTypeImageIndex || got.Annotations != nil {
			t.Errorf("resolve %q: %+v, %v", name, got, err)
		}
	}
	got, err := s.Image(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(img, got); diff != "" {
		t.Errorf("image (-put +got):\n%s", diff)
	}
	got, err = s.Image(ctx, d, "arm64")
	if err != nil || len(got.Platforms) != 1 || got.Platforms[0].Arch != "arm64" {
		t.Errorf("one platform: %+v, %v", got, err)
	}
	_, err = s.Image(ctx, d, "amd64", "riscv64")
	if want := "the image is not made for riscv64, only for amd64, arm64"; err == nil || err.Error() != want {
		t.Errorf("missing platform: %v", err)
	}
	info, err := s.Describe(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	if !info.Created.Equal(time.Unix(0, 0)) || string(info.Metadata) != metadata || len(info.Platforms) != 2 || info.Size < 1000 {
		t.Errorf("info: %+v", info)
	}
	var total int64
	for _, name := range blobs(t, s) {
		st, err := os.Stat(filepath.Join(s.Dir(), "blobs/sha256", name))
		if err != nil {
			t.Fatal(err)
		}
		total += st.Size()
	}
	if total != info.Size {
		t.Errorf("size %d, the blobs on disk have %d", info.Size, total)
	}
}

// TestStructure holds what is written against compat-spec §1.2 and §1.3.
func TestStructure(t *testing.T) {
	s := testStore(t)
	d := put(t, s, testImage("a"), "thing")
	annotations := map[string]any{
		"org.opencontainers.image.title":       "trace thing",
		"org.opencontainers.image.description": "Traces things",
		"org.opencontainers.image.source":      "https://example.org/src",
		"org.opencontainers.image.created":     "1970-01-01T00:00:00Z",
		"io.inspektor-gadget.builder.version":  "v1.0.0",
		"org.example.Colour":                   "blue",
	}
	index := readJSON(t, s, d)
	manifests := index["manifests"].([]any)
	delete(index, "manifests")
	want := map[string]any{"schemaVersion": 2.0, "mediaType": "application/vnd.oci.image.index.v1+json", "annotations": annotations}
	if diff := cmp.Diff(want, index); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
	for i, arch := range []string{"amd64", "arm64"} {
		entry := manifests[i].(map[string]any)
		m := readJSON(t, s, digest.Digest(entry["digest"].(string)))
		delete(entry, "digest")
		delete(entry, "size")
		want := map[string]any{
			"mediaType": "application/vnd.oci.image.manifest.v1+json", "annotations": annotations,
			"platform": map[string]any{"architecture": arch, "os": "linux"},
		}
		if diff := cmp.Diff(want, entry); diff != "" {
			t.Errorf("%s entry (-want +got):\n%s", arch, diff)
		}
		var layers []string
		for _, l := range m["layers"].([]any) {
			layer := l.(map[string]any)
			if len(layer) != 3 {
				t.Errorf("a layer has more than type, digest and size: %v", layer)
			}
			layers = append(layers, layer["mediaType"].(string))
		}
		wantLayers := []string{"application/vnd.gadget.ebpf.program.v1+binary", "application/vnd.gadget.wasm.program.v1+binary", "application/x-unknown"}
		if diff := cmp.Diff(wantLayers[:3-i], layers); diff != "" {
			t.Errorf("%s layers (-want +got):\n%s", arch, diff)
		}
		delete(m, "layers")
		want = map[string]any{
			"schemaVersion": 2.0, "artifactType": "application/vnd.gadget.v1+binary", "annotations": annotations,
			"config": map[string]any{
				"mediaType": "application/vnd.gadget.config.v1+yaml", "size": float64(len(metadata)),
				"digest": digest.FromString(metadata).String(), "annotations": annotations,
			},
		}
		if diff := cmp.Diff(want, m); diff != "" {
			t.Errorf("%s manifest (-want +got):\n%s", arch, diff)
		}
	}
}

func readJSON(t *testing.T, s *Store, d digest.Digest) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.Dir(), "blobs/sha256", d.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSameImageSameDigest(t *testing.T) {
	want, err := Digest(testImage("a"))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		img := testImage("a")
		slices.Reverse(img.Platforms)
		slices.Reverse(img.Platforms[0].Layers)
		if got, err := Digest(img); err != nil || got != want {
			t.Fatalf("got %s, %v, want %s", got, err, want)
		}
	}
	if golden := digest.Digest("sha256:4fd402158ef6689dc06769b9fa04834294e7c1b036d69569cb1810af97c0df30"); want != golden {
		t.Errorf("the image of this test had digest %s, now %s", golden, want)
	}
	s := testStore(t)
	d := put(t, s, testImage("a"), "a")
	again, err := s.Image(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if got := put(t, testStore(t), again, "b"); got != d {
		t.Errorf("read and put again: %s, was %s", got, d)
	}
}

func TestMetadataDecides(t *testing.T) {
	img := testImage("a")
	img.Metadata = []byte("name: x\nannotations:\n  org.opencontainers.image.title: Title\n  org.opencontainers.image.created: never\n  io.inspektor-gadget.builder.version: mine\n")
	got := imageAnnotations(img)
	want := map[string]string{
		ocispec.AnnotationTitle: "Title", ocispec.AnnotationCreated: "1970-01-01T00:00:00Z",
		schemas.AnnotationBuilderVersion: "mine",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	img.Metadata = nil
	d := put(t, testStore(t), img, "x")
	if d == "" {
		t.Error("no digest")
	}
}

func TestWithoutMetadataAndLayers(t *testing.T) {
	s := testStore(t)
	d := put(t, s, &schemas.Image{Platforms: []schemas.Platform{{OS: "linux", Arch: "amd64"}}}, "empty")
	img, err := s.Image(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if img.Metadata != nil || len(img.Platforms) != 1 || img.Platforms[0].Layers != nil {
		t.Errorf("got %+v", img)
	}
	for name, bad := range map[string]*schemas.Image{
		"the image has no platform":                  {},
		`has platform "linux/amd64" twice`:           {Platforms: []schemas.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "amd64"}}},
		"the metadata has 1048577 bytes, more than ": {Metadata: make([]byte, MaxMetadata+1), Platforms: []schemas.Platform{{OS: "linux", Arch: "amd64"}}},
	} {
		if _, err := s.Put(t.Context(), bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

func TestTagAndRemove(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	a := put(t, s, testImage("a"), "a:1", "a:2")
	b := put(t, s, testImage("b"), "b")
	if err := s.Tag(ctx, a, ref(t, "c")); err != nil {
		t.Fatal(err)
	}
	names := func() string {
		entries, err := s.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range entries {
			if e.Err != nil {
				t.Errorf("%s: %v", e.Name, e.Err)
			}
			out = append(out, fmt.Sprintf("%s=%s", e.Reference.Familiar(), map[digest.Digest]string{a: "a", b: "b"}[e.Digest]))
		}
		return strings.Join(out, " ")
	}
	if got, want := names(), "a:1=a a:2=a b:latest=b c:latest=a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r, err := s.Remove(ctx, "a:1")
	if want := (Removed{Digest: a, Names: []string{ref(t, "a:1").String()}, Left: []string{ref(t, "a:2").String(), ref(t, "c").String()}}); err != nil || !cmp.Equal(r, want) {
		t.Errorf("remove one name: %+v, %v", r, err)
	}
	before := len(blobs(t, s))
	r, err = s.Remove(ctx, a.Encoded()[:10])
	if err != nil || len(r.Names) != 2 || r.Left != nil || r.Blobs != 5 || r.Bytes == 0 || r.Deferred {
		t.Errorf("remove by id: %+v, %v", r, err)
	}
	// Metadata, module and the unknown layer are those of b, too.
	if got := len(blobs(t, s)); got != before-5 {
		t.Errorf("%d blobs of %d left", got, before)
	}
	if got, want := names(), "b:latest=b"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := s.Image(ctx, b); err != nil {
		t.Errorf("the other image suffered: %v", err)
	}
	if r, err = s.Remove(ctx, "b"); err != nil || len(blobs(t, s)) != 0 {
		t.Errorf("remove the last: %+v, %v, left %v", r, err, blobs(t, s))
	}
	if err := s.Tag(ctx, a, ref(t, "d")); !errors.Is(err, ErrNotFound) {
		t.Errorf("tag what is gone: %v", err)
	}
	if err := s.Tag(ctx, a); err == nil {
		t.Error("tag without a name")
	}
}

func TestReplacedImageIsDeleted(t *testing.T) {
	s := testStore(t)
	put(t, s, testImage("old"), "x")
	d := put(t, s, testImage("new"), "x")
	if got := len(blobs(t, s)); got != 8 {
		t.Errorf("%d blobs, the new image has 8", got)
	}
	if got, err := s.Resolve(t.Context(), "x"); err != nil || got.Digest != d {
		t.Errorf("resolve: %v, %v", got, err)
	}
}

func TestUntagged(t *testing.T) {
	s := testStore(t)
	d := put(t, s, testImage("a"))
	put(t, s, testImage("a"))
	entries, err := s.List(t.Context())
	if err != nil || len(entries) != 1 || entries[0].Name != "" || entries[0].Reference != (Reference{}) || !entries[0].Tagged.Equal(time.Unix(1e9, 0)) {
		t.Fatalf("got %+v, %v", entries, err)
	}
	if err := s.Tag(t.Context(), d, ref(t, "named")); err != nil {
		t.Fatal(err)
	}
	entries, err = s.Names()
	if err != nil || len(entries) != 1 || entries[0].Reference.Familiar() != "named:latest" {
		t.Fatalf("got %+v, %v", entries, err)
	}
	if _, err := s.Put(t.Context(), testImage("a"), Reference{Domain: "ghcr.io", Path: "a/b", Digest: someDigest}); err == nil || !strings.Contains(err.Error(), "the image has digest") {
		t.Errorf("a name with a foreign digest: %v", err)
	}
}

func TestNotFound(t *testing.T) {
	ctx, s := t.Context(), testStore(t)
	check := func(when string) {
		t.Helper()
		_, err := s.Resolve(ctx, "trace_opne")
		var notFound *NotFoundError
		if !errors.As(err, &notFound) || !errors.Is(err, ErrNotFound) || notFound.Name != "trace_opne" || notFound.Reference.Path != "inspektor-gadget/gadget/trace_opne" {
			t.Errorf("%s: %#v", when, err)
		}
		if want := fmt.Sprintf(`image "trace_opne" not found in store %s (looked for ghcr.io/inspektor-gadget/gadget/trace_opne:latest)`, s.Dir()); err.Error() != want {
			t.Errorf("%s: %v", when, err)
		}
		if _, err := s.Remove(ctx, "trace_opne"); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: remove: %v", when, err)
		}
		for _, id := range []string{"abcd", someDigest, "sha256:abcd", "x@" + someDigest} {
			if _, err := s.Resolve(ctx, id); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %s: %v", when, id, err)
			}
		}
		if _, err := s.Resolve(ctx, "Bad Name"); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%s: bad name: %v", when, err)
		}
	}
	check("no store")
	if _, err := os.Stat(s.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("reading made the directory")
	}
	if entries, err := s.List(ctx); err != nil || len(entries) != 0 {
		t.Errorf("list of nothing: %v, %v", entries, err)
	}
	put(t, s, testImage("a"), "trace_open")
	check("one image")
}

func TestAmbiguous(t *testing.T) {
	index := &ocispec.Index{Manifests: []ocispec.Descriptor{
		{Digest: "sha256:abcd" + digest.Digest(strings.Repeat("0", 60))}, {Digest: "sha256:abcd" + digest.Digest(strings.Repeat("1", 60))},
		{Digest: "sha256:abcd" + digest.Digest(strings.Repeat("1", 60))},
	}}
	_, _, err := findDigest(index, "abcd")
	var ambiguous *AmbiguousError
	if !errors.As(err, &ambiguous) || len(ambiguous.Digests) != 2 || err.Error() != `image "abcd" is ambiguous: abcd000000000000, abcd111111111111 begin with it` {
		t.Errorf("got %v", err)
	}
	if d, found, err := findDigest(index, "sha256:abcd1"); !found || err != nil || d.Digest != index.Manifests[1].Digest {
		t.Errorf("got %v, %v, %v", d, found, err)
	}
}

func TestPermissions(t *testing.T) {
	s := testStore(t)
	put(t, s, testImage("a"), "a")
	err := filepath.WalkDir(s.Dir(), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 && !strings.Contains(path, "blobs/sha256/") {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := OpenStore(dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), testImage("a")); err == nil || !strings.Contains(err.Error(), `the directory holds "thesis.tex" and is no store; choose an empty one`) {
		t.Errorf("got %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("the directory was changed: %v, %v", entries, err)
	}
	if _, err := OpenStore(filepath.Join(dir, "thesis.tex"), StoreOptions{}); err == nil || !strings.Contains(err.Error(), "it is no directory") {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"9.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(dir, StoreOptions{}); err == nil || !strings.Contains(err.Error(), `says version "9.0", only "1.0.0" is known`) {
		t.Errorf("got %v", err)
	}
}

func TestCanceled(t *testing.T) {
	s := testStore(t)
	put(t, s, testImage("a"), "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.List(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("list: %v", err)
	}
	if _, err := s.Put(ctx, testImage("b"), ref(t, "b")); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
}

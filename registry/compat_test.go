package registry

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/schemas"
)

// strict makes a registry refuse what is not a container image, as some hosted ones
// do: artifact types, and media types of configs and layers that it does not know.
func strict(h http.Handler) http.Handler {
	known := map[string]bool{
		ocispec.MediaTypeImageConfig: true, ocispec.MediaTypeImageLayer: true, ocispec.MediaTypeImageLayerGzip: true,
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			h.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		var m struct {
			MediaType    string
			ArtifactType string
			Config       *ocispec.Descriptor
			Layers       []ocispec.Descriptor
			Manifests    []ocispec.Descriptor
		}
		refused := json.Unmarshal(body, &m) != nil || m.ArtifactType != "" || m.MediaType == "" ||
			m.Config != nil && !known[m.Config.MediaType]
		for _, l := range m.Layers {
			refused = refused || !known[l.MediaType]
		}
		for _, d := range m.Manifests {
			refused = refused || d.ArtifactType != "" || d.MediaType != ocispec.MediaTypeImageManifest
		}
		if refused {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":"unknown media type"}]}`)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// TestStrict pushes to a registry that knows container images only.
func TestStrict(t *testing.T) {
	r := modernRegistry(t, strict)
	s := testStore(t)
	d := put(t, s, testImage("x"), "tool:v1")
	remote, to := r.remote(t, "tool:v1")
	_, err := Copy(t.Context(), s, "tool:v1", remote, to, CopyOptions{})
	var refused *RemoteError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), "does not take images of this kind") || !strings.Contains(strings.Join(refused.Hints, "\n"), "--compat image") {
		t.Fatalf("got %v", err)
	}
	if _, err := remote.Resolve(t.Context(), to.String()); !errors.Is(err, ErrNotFound) {
		t.Errorf("the name exists after a failed push: %v", err)
	}

	// As a container image it goes there, and comes back as the same gadget.
	img, err := s.Image(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	compat, err := AsContainerImage(img)
	if err != nil {
		t.Fatal(err)
	}
	if c := mustCopy(t, compat, "", remote, to); c.Digest != compat.Digest || c.Digest == d {
		t.Errorf("pushed %+v, made %s of %s", c, compat.Digest, d)
	}
	back := testStore(t)
	mustCopy(t, remote, to.String(), back, to)
	same(t, back, to.String(), compat.Digest, nil)
	got, err := back.Image(t.Context(), compat.Digest)
	if diff := cmp.Diff(img, got); err != nil || diff != "" {
		t.Errorf("%v (-pushed +pulled):\n%s", err, diff)
	}
	if again, err := Digest(got); err != nil || again != d {
		t.Errorf("the gadget in it has digest %s, %v; it was %s", again, err, d)
	}
	if err := back.Tag(t.Context(), compat.Digest, ref(t, "other")); err != nil {
		t.Error(err)
	}
	// Nothing of it is taken for garbage, and its size is that of all blobs.
	if _, err := back.Prune(t.Context()); err != nil {
		t.Error(err)
	}
	info, err := back.Describe(t.Context(), compat.Digest)
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, b := range blobs(t, back) {
		stat, err := back.stat(digest.NewDigestFromEncoded(digest.SHA256, b))
		if err != nil {
			t.Fatal(err)
		}
		total += stat.Size()
	}
	if string(info.Metadata) != metadata || info.Size != total {
		t.Errorf("metadata %q, size %d of %d", info.Metadata, info.Size, total)
	}
}

// TestRefusals are the ways in which registries say that they want container images.
func TestRefusals(t *testing.T) {
	for _, answer := range []struct {
		status int
		body   string
	}{
		{http.StatusBadRequest, `{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid"}]}`},
		{http.StatusBadRequest, "bad request"},
		{http.StatusUnsupportedMediaType, `{"errors":[{"code":"MANIFEST_INVALID"}]}`},
		{http.StatusUnsupportedMediaType, ""},
		{http.StatusMethodNotAllowed, `{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}`},
		{http.StatusNotFound, `{"errors":[{"code":"UNSUPPORTED"}]}`},
		{http.StatusUnprocessableEntity, ""},
	} {
		r := modernRegistry(t, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
					h.ServeHTTP(w, r)
					return
				}
				w.WriteHeader(answer.status)
				io.WriteString(w, answer.body)
			})
		})
		s := testStore(t)
		put(t, s, testImage("x"), "tool:v1")
		remote, to := r.remote(t, "tool:v1")
		_, err := Copy(t.Context(), s, "tool:v1", remote, to, CopyOptions{})
		var refused *RemoteError
		if !errors.As(err, &refused) || !strings.Contains(strings.Join(refused.Hints, "\n"), "--compat image") {
			t.Errorf("%d %s: %v", answer.status, answer.body, err)
		}
	}
}

// TestBadWrappers reads container images that only look like gadgets.
func TestBadWrappers(t *testing.T) {
	tarred, err := wrap(schemas.Layer{MediaType: schemas.MediaTypeProgram, Data: []byte("elf")})
	if err != nil {
		t.Fatal(err)
	}
	bomb, err := compress(make([]byte, 64<<20))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := compress(tarred)
	if err != nil {
		t.Fatal(err)
	}
	two := append(append([]byte{}, tarred[:1024]...), tarred...)
	link := append([]byte{}, tarred...)
	copy(link[148:156], "000000\x00 ")
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"no tar":    {[]byte(strings.Repeat("elf", 500)), "no tar"},
		"empty":     {nil, "no tar"},
		"cut off":   {tarred[:514], "ends too early"},
		"two files": {two, "more than one file"},
		"checksum":  {link, "no tar"},
		"bomb":      {bomb, "no tar"},
		"cut gzip":  {packed[:len(packed)/2], "unexpected EOF"},
		"no gzip":   {packed[:5], "cannot be decompressed"},
	} {
		c2 := &ContainerImage{blobs: map[digest.Digest]blob{}}
		d := c2.add(ocispec.MediaTypeImageLayer, c.data)
		d.Annotations = map[string]string{annotationType: schemas.MediaTypeProgram}
		if _, err := readLayer(t.Context(), c2, d, MaxLayer); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	c := &ContainerImage{blobs: map[digest.Digest]blob{}}
	d := c.add(ocispec.MediaTypeImageLayer, tarred)
	d.Annotations = map[string]string{annotationType: schemas.MediaTypeProgram}
	if _, err := readLayer(t.Context(), c, d, 2); err == nil || !strings.Contains(err.Error(), "more than the 2 bytes") {
		t.Errorf("a file of more than is read: %v", err)
	}
}

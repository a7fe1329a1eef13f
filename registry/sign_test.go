package registry

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/registry/signature"
	"github.com/gadget-bpf/gadget/schemas"
)

var forms = []signature.Form{signature.Tag, signature.Referrer, signature.Bundle}

func newKey(t testing.TB) *signature.PrivateKey {
	t.Helper()
	k, err := signature.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func mustSign(t testing.TB, at Place, root ocispec.Descriptor, k *signature.PrivateKey, o SignOptions) *Signed {
	t.Helper()
	s, err := Sign(t.Context(), at, root, k, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func resolve(t testing.TB, src Source, name string) ocispec.Descriptor {
	t.Helper()
	d, err := src.Resolve(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// signedBy checks who has signed the image that a source knows by name.
func signedBy(t testing.TB, src Source, name string, form signature.Form, k *signature.PrivateKey) {
	t.Helper()
	v, err := Verify(t.Context(), src, resolve(t, src, name), VerifyOptions{Keys: []*signature.PublicKey{k.Public()}})
	if err != nil {
		t.Errorf("%s: %v", name, err)
	} else if v.Form != form && form != "" {
		t.Errorf("%s: verified by the form %s, want %s", name, v.Form, form)
	}
}

func unsigned(t testing.TB, src Source, name string, k *signature.PrivateKey) {
	t.Helper()
	_, err := Verify(t.Context(), src, resolve(t, src, name), VerifyOptions{Keys: []*signature.PublicKey{k.Public()}})
	var refused *signature.RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("%s: %v", name, err)
	}
}

// TestSignRoundTrip signs in the store, in every form, and moves the image around.
func TestSignRoundTrip(t *testing.T) {
	kinds := map[string]func(testing.TB) testRegistry{
		"with referrers":    func(t testing.TB) testRegistry { return modernRegistry(t, nil) },
		"docker-registry":   distribution,
		"without referrers": func(t testing.TB) testRegistry { return modernRegistry(t, withoutReferrers) },
	}
	for name, start := range kinds {
		t.Run(name, func(t *testing.T) {
			k, other := newKey(t), newKey(t)
			r := start(t)
			for _, form := range forms {
				s := testStore(t)
				put(t, s, testImage("x"), "acme/tool:v1")
				root := resolve(t, s, "acme/tool:v1")
				unsigned(t, s, "acme/tool:v1", k)
				if got := mustSign(t, s, root, k, SignOptions{Form: form}); len(got.Added) != 1 {
					t.Fatalf("added %v", got.Added)
				}
				signedBy(t, s, "acme/tool:v1", form, k)
				unsigned(t, s, "acme/tool:v1", other)
				n := len(blobFiles(t, s))
				if again := mustSign(t, s, root, k, SignOptions{Form: form}); len(again.Added) != 0 || len(blobFiles(t, s)) != n {
					t.Errorf("signed twice by the same key: %v", again.Added)
				}
				remote, to := r.remote(t, "acme/tool-"+string(form)+":v1")
				mustCopy(t, s, "acme/tool:v1", remote, to)
				signedBy(t, remote, to.String(), form, k)

				path := filepath.Join(t.TempDir(), "f.tar")
				saveTar(t, path, remote, to)
				archive, err := OpenTar(path)
				if err != nil {
					t.Fatal(err)
				}
				defer archive.Close()
				signedBy(t, archive, to.String(), form, k)
				last := testStore(t)
				mustCopy(t, archive, to.String(), last, to)
				signedBy(t, last, to.String(), form, k)
				if _, err := last.Remove(t.Context(), to.String()); err != nil || len(blobFiles(t, last)) != 0 {
					t.Errorf("removed: %v, left %v", err, blobFiles(t, last))
				}
			}
		})
	}
}

// TestSignPlaces signs where the image is: a store, a registry, an archive.
func TestSignPlaces(t *testing.T) {
	first, second := newKey(t), newKey(t)
	s := testStore(t)
	put(t, s, testImage("x"), "acme/tool:v1")
	remote, to := modernRegistry(t, nil).remote(t, "acme/tool:v1")
	mustCopy(t, s, "acme/tool:v1", remote, to)
	path := filepath.Join(t.TempDir(), "f.tar")
	saveTar(t, path, s, ref(t, "acme/tool:v1"))
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]func() (Place, string){
		"store":    func() (Place, string) { return s, "acme/tool:v1" },
		"registry": func() (Place, string) { return remote, to.String() },
		"archive": func() (Place, string) {
			a, err := OpenTar(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { a.Close() })
			return a, "acme/tool:v1"
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, form := range forms {
				p, n := at()
				mustSign(t, p, resolve(t, p, n), first, SignOptions{Form: form})
				p, n = at()
				mustSign(t, p, resolve(t, p, n), second, SignOptions{Form: form})
				p, n = at()
				signedBy(t, p, n, "", first)
				signedBy(t, p, n, "", second)
			}
			p, n := at()
			g, err := survey(t.Context(), p, resolve(t, p, n), nil)
			if err != nil || len(g.attached) != 5 {
				t.Errorf("%d attachments, want one with both and four of one each: %v", len(g.attached), err)
			}
		})
	}
	if entries, err := s.Names(); err != nil || len(entries) != 1 {
		t.Errorf("the store lists %v, %v", entries, err)
	}
	after, err := os.Stat(path)
	if err != nil || after.Mode() != before.Mode() {
		t.Errorf("the archive has mode %v, before %v: %v", after.Mode(), before.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestSignPlatforms signs each manifest, so that a part of the image is signed, too.
func TestSignPlatforms(t *testing.T) {
	k := newKey(t)
	s := testStore(t)
	put(t, s, testImage("x"), "acme/tool:v1")
	root := resolve(t, s, "acme/tool:v1")
	if got := mustSign(t, s, root, k, SignOptions{Platforms: true}); len(got.Added) != 3 {
		t.Fatalf("added %v", got.Added)
	}
	part := testStore(t)
	to := ref(t, "acme/tool:part")
	if _, err := Copy(t.Context(), s, "acme/tool:v1", part, to, CopyOptions{Platforms: []string{"amd64"}}); err != nil {
		t.Fatal(err)
	}
	signedBy(t, part, to.String(), signature.Tag, k)

	// One platform that nobody has signed spoils the image, but not another platform.
	lone := testStore(t)
	put(t, lone, testImage("x"), "acme/tool:v1")
	platforms, err := platformManifests(t.Context(), lone, root)
	if err != nil {
		t.Fatal(err)
	}
	a, err := newSignature(t.Context(), lone, platforms[0], k, SignOptions{Form: signature.Tag})
	if err != nil {
		t.Fatal(err)
	}
	if err := lone.attach(t.Context(), root, []artifact{*a}); err != nil {
		t.Fatal(err)
	}
	unsigned(t, lone, "acme/tool:v1", k)
}

func TestSignDamage(t *testing.T) {
	k := newKey(t)
	s := testStore(t)
	put(t, s, testImage("x"), "acme/tool:v1")
	root := resolve(t, s, "acme/tool:v1")
	signed := mustSign(t, s, root, k, SignOptions{})
	keys := VerifyOptions{Keys: []*signature.PublicKey{k.Public()}}
	manifest := filepath.Join(s.Dir(), "blobs", "sha256", signed.Added[0].Digest.Encoded())
	if err := os.Remove(manifest); err != nil {
		t.Fatal(err)
	}
	var refused *signature.RefusedError
	if _, err := Verify(t.Context(), s, root, keys); err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a lost signature: %v", err)
	}
	if _, err := Sign(t.Context(), s, root, k, SignOptions{}); err == nil {
		t.Error("signed over what cannot be read")
	}
	// Another form is not hindered by it, and verifies.
	mustSign(t, s, root, k, SignOptions{Form: signature.Bundle})
	signedBy(t, s, "acme/tool:v1", signature.Bundle, k)
	gone := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromString("gone"), Size: 4}
	if _, err := Sign(t.Context(), s, gone, k, SignOptions{}); err == nil {
		t.Error("signed an image that is not there")
	}
}

// TestSignRemoved signs an image while it is removed: no entry is left behind.
func TestSignRemoved(t *testing.T) {
	k := newKey(t)
	s := testStore(t)
	d := put(t, s, testImage("x"), "acme/tool:v1")
	root := resolve(t, s, "acme/tool:v1")
	a, err := newSignature(t.Context(), s, root, k, SignOptions{Form: signature.Tag})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(t.Context(), "acme/tool:v1"); err != nil {
		t.Fatal(err)
	}
	if err := s.attach(t.Context(), root, []artifact{*a}); !errors.Is(err, ErrNotFound) {
		t.Errorf("attached to %s, which is gone: %v", d, err)
	}
	if left := blobFiles(t, s); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestSignKeepsTags keeps signatures when an image gets and loses names.
func TestSignKeepsTags(t *testing.T) {
	k := newKey(t)
	s := testStore(t)
	d := put(t, s, testImage("x"), "acme/tool:v1")
	mustSign(t, s, resolve(t, s, "acme/tool:v1"), k, SignOptions{})
	if err := s.Tag(t.Context(), d, ref(t, "other/tool:v2")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remove(t.Context(), "acme/tool:v1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	signedBy(t, s, "other/tool:v2", signature.Tag, k)
	put(t, s, &schemas.Image{Metadata: []byte("name: other\n"), Platforms: testImage("y").Platforms}, "other/tool:v2")
	unsigned(t, s, "other/tool:v2", k)
}

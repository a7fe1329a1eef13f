package registry

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ggcr "github.com/google/go-containerregistry/pkg/registry"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/gadget-bpf/gadget/schemas"
)

// testRegistry is a registry on loopback.
type testRegistry struct {
	host   string
	client ClientOptions
}

// modernRegistry has the referrers API and speaks plain HTTP; wrap may be nil.
func modernRegistry(t testing.TB, wrap func(http.Handler) http.Handler) testRegistry {
	t.Helper()
	var h http.Handler = ggcr.New(ggcr.WithReferrersSupport(true), ggcr.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return testRegistry{host: s.Listener.Addr().String()}
}

// The password of alice is secret.
const htpasswd = "alice:$2y$04$v4YnMHIAc7OVZSw8XOB7aus8fmhgK5z70Af2S7UWv3Y8Lk6VwlkpC\n"

// distribution is Debian's docker-registry, with TLS and a password, without the
// referrers API.
func distribution(t testing.TB) testRegistry {
	t.Helper()
	if _, err := exec.LookPath("docker-registry"); err != nil {
		t.Skip("docker-registry is not installed")
	}
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	cert, key := certificate(t, dir)
	write(t, filepath.Join(dir, "htpasswd"), htpasswd)
	write(t, filepath.Join(dir, "config.yml"), fmt.Sprintf(`version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s/data}}
http: {addr: "%s", tls: {certificate: %s, key: %s}}
auth: {htpasswd: {realm: test, path: %s/htpasswd}}
`, dir, host, cert, key, dir))
	cmd := exec.Command("docker-registry", "serve", filepath.Join(dir, "config.yml"))
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", host)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("docker-registry does not listen: %s", words.String())
		}
	}
	auth := filepath.Join(dir, "auth.json")
	if err := (Login{host, "alice", "secret"}).write(auth); err != nil {
		t.Fatal(err)
	}
	return testRegistry{host, ClientOptions{CAFile: cert, Credentials: &Credentials{Files: []string{auth}}}}
}

// certificate writes a certificate for loopback that signs itself, and its key.
func certificate(t testing.TB, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	return cert, key
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r testRegistry) remote(t testing.TB, name string) (*Remote, Reference) {
	t.Helper()
	to := ref(t, r.host+"/"+name)
	return NewClient(r.client).Remote(to), to
}

// sign attaches to an image of a store what looks like signatures: one as a
// referrer, one of a platform, one with cosign's tag.
func sign(t testing.TB, s *Store, d digest.Digest, names ...string) []digest.Digest {
	t.Helper()
	info, err := s.Describe(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	subject := func(d digest.Digest) ocispec.Descriptor {
		stat, err := s.stat(d)
		if err != nil {
			t.Fatal(err)
		}
		return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: d, Size: stat.Size()}
	}
	platform := subject(info.Platforms[0].Digest)
	platform.MediaType = ocispec.MediaTypeImageManifest
	var attached []attachment
	var all []digest.Digest
	err = s.receive(t.Context(), func(r receiver) error {
		add := func(about ocispec.Descriptor, text, tag string) {
			empty := blob{content.NewDescriptorFromBytes(ocispec.MediaTypeEmptyJSON, []byte("{}")), []byte("{}")}
			layer := blob{content.NewDescriptorFromBytes("application/x-signature", []byte(text)), []byte(text)}
			m := ocispec.Manifest{
				Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
				ArtifactType: "application/x-signature", Config: empty.Descriptor, Layers: []ocispec.Descriptor{layer.Descriptor},
			}
			if tag == "" {
				m.Subject = &about
			}
			data, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			root := blob{content.NewDescriptorFromBytes(ocispec.MediaTypeImageManifest, data), data}
			for _, b := range []blob{empty, layer, root} {
				if there, _ := r.has(t.Context(), b.Descriptor); there {
					continue
				}
				if err := r.push(t.Context(), b.Descriptor, b.open); err != nil {
					t.Fatal(err)
				}
			}
			attached = append(attached, attachment{root.Descriptor, about.Digest, tag})
			all = append(all, root.Digest)
		}
		add(subject(d), "of the index", "")
		add(platform, "of a platform", "")
		add(subject(d), "of cosign", tagAbout(d)+".sig")
		for _, n := range names {
			if err := r.name(t.Context(), subject(d), ref(t, n), attached); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func mustCopy(t testing.TB, src Source, name string, dst Target, to Reference) *Copied {
	t.Helper()
	c, err := Copy(t.Context(), src, name, dst, to, CopyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// same checks that an image with all that is attached is in a source.
func same(t testing.TB, src Source, name string, want digest.Digest, attached []digest.Digest) {
	t.Helper()
	d, err := src.Resolve(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if d.Digest != want {
		t.Fatalf("%s: digest %s, want %s", name, d.Digest, want)
	}
	g, err := survey(t.Context(), src, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attached {
		if !g.seen[a] {
			t.Errorf("%s: attachment %s is gone", name, a)
		}
	}
	if len(g.attached) != len(attached) {
		t.Errorf("%s: %d attachments, want %d", name, len(g.attached), len(attached))
	}
	for _, l := range g.leaves {
		if _, err := readBlob(t.Context(), src, l, MaxLayer); err != nil {
			t.Errorf("%s: %s", name, err)
		}
	}
	if _, err := Load(t.Context(), src, d); err != nil {
		t.Error(err)
	}
}

func TestRoundTrip(t *testing.T) {
	kinds := map[string]func(testing.TB) testRegistry{
		"with referrers":    func(t testing.TB) testRegistry { return modernRegistry(t, nil) },
		"docker-registry":   distribution,
		"without referrers": func(t testing.TB) testRegistry { return modernRegistry(t, withoutReferrers) },
	}
	for name, start := range kinds {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			first := testStore(t)
			image := testImage("x")
			types := schemas.Layer{MediaType: schemas.MediaTypeBTFGen, Data: []byte("types of kernels")}
			image.Platform("arm64").Layers = append(image.Platform("arm64").Layers, types)
			d := put(t, first, image, "acme/tool:v1")
			attached := sign(t, first, d, "acme/tool:v1")
			remote, to := r.remote(t, "acme/tool:v1")
			if c := mustCopy(t, first, "acme/tool:v1", remote, to); c.Digest != d || len(c.Attached) != 3 {
				t.Fatalf("push: %+v", c)
			}
			same(t, remote, to.String(), d, attached)

			// A second push moves no layer.
			if c := mustCopy(t, first, "acme/tool:v1", remote, to); c.Blobs > 2 {
				t.Errorf("pushed again: %d blobs moved", c.Blobs)
			}

			// From there to another registry, a tar, and a store.
			other, otherTo := modernRegistry(t, nil).remote(t, "copy/tool:v2")
			mustCopy(t, remote, to.String(), other, otherTo)
			same(t, other, otherTo.String(), d, attached)

			path := filepath.Join(t.TempDir(), "f.tar")
			saveTar(t, path, other, otherTo)
			archive, err := OpenTar(path)
			if err != nil {
				t.Fatal(err)
			}
			defer archive.Close()
			same(t, archive, otherTo.String(), d, attached)

			dir := filepath.Join(t.TempDir(), "dir")
			layout, err := OpenStore(dir, StoreOptions{Shared: true})
			if err != nil {
				t.Fatal(err)
			}
			mustCopy(t, archive, otherTo.String(), layout, otherTo)
			written, err := OpenLayout(os.DirFS(dir))
			if err != nil {
				t.Fatal(err)
			}
			same(t, written, otherTo.String(), d, attached)

			last := testStore(t)
			mustCopy(t, written, otherTo.String(), last, otherTo)
			same(t, last, otherTo.String(), d, attached)
			desc, err := last.Resolve(t.Context(), otherTo.String())
			if err != nil {
				t.Fatal(err)
			}
			if copied, err := Load(t.Context(), last, desc); err != nil || !reflect.DeepEqual(copied.Platform("arm64").Layer(types.MediaType), &types) {
				t.Errorf("the types of kernels did not come along: %v", err)
			}
			if entries, err := last.Names(); err != nil || len(entries) != 1 {
				t.Errorf("names: %v, %v: attachments must not be listed", entries, err)
			}
			removed, err := last.Remove(t.Context(), otherTo.String())
			if err != nil || len(blobFiles(t, last)) != 0 {
				t.Errorf("removed %+v, %v: still there: %v", removed, err, blobFiles(t, last))
			}
		})
	}
}

func withoutReferrers(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/referrers/") {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(&withoutSubject{w}, r)
	})
}

// withoutSubject drops the header by which a registry says that it knows referrers.
type withoutSubject struct{ http.ResponseWriter }

func (w *withoutSubject) WriteHeader(status int) {
	w.Header().Del("OCI-Subject")
	w.ResponseWriter.WriteHeader(status)
}

func saveTar(t testing.TB, path string, src Source, names ...Reference) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := NewTarWriter(f)
	for _, n := range names {
		mustCopy(t, src, n.String(), w, n)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func blobFiles(t testing.TB, s *Store) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Dir(), "blobs", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCopyPlatforms(t *testing.T) {
	r := modernRegistry(t, nil)
	s := testStore(t)
	d := put(t, s, testImage("x"), "tool:v1")
	remote, to := r.remote(t, "tool:v1")
	c, err := Copy(t.Context(), s, "tool:v1", remote, to, CopyOptions{Platforms: []string{"linux/arm64"}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Digest == d {
		t.Error("a part of an image has the digest of the whole")
	}
	info, err := Describe(t.Context(), remote, c.Descriptor)
	if err != nil {
		t.Fatal(err)
	}
	if len(info.Platforms) != 1 || info.Platforms[0].Arch != "arm64" {
		t.Errorf("platforms: %+v", info.Platforms)
	}
	if c, err = Copy(t.Context(), s, "tool:v1", remote, to, CopyOptions{Platforms: []string{"arm64", "amd64"}}); err != nil || c.Digest != d {
		t.Errorf("all platforms: %v, %v", c, err)
	}
	_, err = Copy(t.Context(), s, "tool:v1", remote, to, CopyOptions{Platforms: []string{"linux/s390x"}})
	var missing *PlatformError
	if !errors.As(err, &missing) {
		t.Errorf("absent platform: %v", err)
	}
}

// TestInterruptedPull breaks pulls in many ways: the store stays as it was.
func TestInterruptedPull(t *testing.T) {
	var fault atomic.Value
	fault.Store("")
	var layers atomic.Int32
	wrap := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") || layers.Add(1) < 3 {
				h.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			body := rec.Body.Bytes()
			switch fault.Load() {
			case "wrong content":
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				w.Write(bytes.ToUpper(body))
			case "truncated":
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				w.Write(body[:len(body)/2])
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			case "html":
				w.Header().Set("Content-Type", "text/html")
				io.WriteString(w, "<html>log in</html>")
			default:
				w.WriteHeader(http.StatusNotFound)
			}
		})
	}
	r := modernRegistry(t, wrap)
	from := testStore(t)
	put(t, from, testImage("x"), "tool:v1")
	remote, to := r.remote(t, "tool:v1")
	mustCopy(t, from, "tool:v1", remote, to)

	s := testStore(t)
	before := put(t, s, testImage("before"), to.String())
	blobs := fmt.Sprint(blobFiles(t, s))
	for _, how := range []string{"wrong content", "truncated", "html", "missing"} {
		t.Run(how, func(t *testing.T) {
			fault.Store(how)
			layers.Store(0)
			remote, to := r.remote(t, "tool:v1")
			_, err := Copy(t.Context(), remote, to.String(), s, to, CopyOptions{})
			if err == nil {
				t.Fatal("the pull succeeded")
			}
			if strings.Contains(err.Error(), "failed to") || strings.Contains(err.Error(), "*") {
				t.Errorf("message: %s", err)
			}
			if d, err := s.Resolve(t.Context(), to.String()); err != nil || d.Digest != before {
				t.Errorf("the store has %v, %v", d.Digest, err)
			}
			if got := fmt.Sprint(blobFiles(t, s)); got != blobs {
				t.Errorf("blobs are left: %s", got)
			}
			if left, _ := filepath.Glob(filepath.Join(s.Dir(), "ingest", "*")); len(left) > 0 {
				t.Errorf("half written: %v", left)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		fault.Store("missing")
		layers.Store(-100)
		ctx, cancel := context.WithCancel(t.Context())
		remote, to := r.remote(t, "tool:v1")
		_, err := Copy(ctx, remote, to.String(), s, to, CopyOptions{Progress: func(Progress) { cancel() }})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled pull: %v", err)
		}
		if got := fmt.Sprint(blobFiles(t, s)); got != blobs {
			t.Errorf("blobs are left: %s", got)
		}
	})
}

// TestResume breaks every connection once in the middle of a blob.
func TestResume(t *testing.T) {
	broken := map[string]bool{}
	r := modernRegistry(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") || broken[r.URL.Path] {
				h.ServeHTTP(w, r)
				return
			}
			broken[r.URL.Path] = true
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
			w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})
	})
	img := testImage("x")
	img.Platforms = img.Platforms[:1]
	img.Platforms[0].Layers = img.Platforms[0].Layers[:1]
	img.Platforms[0].Layers[0].Data = bytes.Repeat([]byte("program"), 1<<16)
	from := testStore(t)
	d := put(t, from, img, "tool:v1")
	remote, to := r.remote(t, "tool:v1")
	mustCopy(t, from, "tool:v1", remote, to)
	data, err := Load(t.Context(), remote, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: d, Size: mustResolve(t, remote, to).Size})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data.Platforms[0].Layers[0].Data, img.Platforms[0].Layers[0].Data) {
		t.Error("the layer is another one")
	}
	if len(broken) == 0 {
		t.Error("no connection was broken")
	}
}

func mustResolve(t testing.TB, src Source, name Reference) ocispec.Descriptor {
	t.Helper()
	d, err := src.Resolve(t.Context(), name.String())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

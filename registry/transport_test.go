package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// deadly is a transport that fails the test.
type deadly struct{ t *testing.T }

func (d deadly) RoundTrip(r *http.Request) (*http.Response, error) {
	d.t.Errorf("offline, but %s %s was sent", r.Method, r.URL)
	return nil, errors.New("dialled")
}

func TestOffline(t *testing.T) {
	plain := true
	for _, o := range []ClientOptions{{}, {PlainHTTP: &plain}, {Insecure: true}} {
		o.Offline, o.Transport = true, deadly{t}
		for _, host := range []string{"127.0.0.1:5000", "ghcr.io", "docker.io"} {
			name := ref(t, host+"/acme/tool:v1")
			remote := NewClient(o).Remote(name)
			s := testStore(t)
			d := put(t, s, testImage("x"), name.String())
			_, pull := Copy(t.Context(), remote, name.String(), testStore(t), name, CopyOptions{})
			_, push := Copy(t.Context(), s, d.String(), remote, name, CopyOptions{})
			_, fetch := remote.Fetch(t.Context(), ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: d, Size: 1})
			_, attached := remote.attachments(t.Context(), ocispec.Descriptor{Digest: d})
			login := Login{host, "a", "b"}.Check(t.Context(), o)
			for action, err := range map[string]error{"pull": pull, "push": push, "fetch": fetch, "attachments": attached, "login": login} {
				if !errors.Is(err, ErrOffline) {
					t.Errorf("%s %s: %v", action, host, err)
				}
			}
		}
	}
}

// TestTLS is the matrix of what servers have and what we are told of them.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	start := func(config *tls.Config) string {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNotFound)
		}))
		s.Config.ErrorLog = silentLog
		if config == nil {
			s.Start()
		} else {
			s.TLS = config
			s.StartTLS()
		}
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	plain := start(nil)
	secure := start(&tls.Config{Certificates: []tls.Certificate{pair}})
	mutual := start(&tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})

	certs := filepath.Join(dir, "certs.d")
	for _, host := range []string{secure, mutual} {
		if err := os.MkdirAll(filepath.Join(certs, host), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(certs, host, "ca.crt"), string(pem))
	}
	write(t, filepath.Join(certs, mutual, "client.cert"), string(pem))
	keyPEM, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(certs, mutual, "client.key"), string(keyPEM))

	yes, no := true, false
	tests := []struct {
		name, host string
		o          ClientOptions
		want       string
	}{
		{"plain on loopback", plain, ClientOptions{}, "not found"},
		{"plain, asked for", plain, ClientOptions{PlainHTTP: &yes}, "not found"},
		{"plain, refused", plain, ClientOptions{PlainHTTP: &no}, "speaks plain HTTP"},
		{"unknown authority", secure, ClientOptions{}, "unknown authority"},
		{"authority by flag", secure, ClientOptions{CAFile: cert}, "not found"},
		{"authority by directory", secure, ClientOptions{CertDirs: []string{certs}}, "not found"},
		{"insecure", secure, ClientOptions{Insecure: true}, "not found"},
		{"no file of authorities", secure, ClientOptions{CAFile: key}, "no certificate in PEM form"},
		{"without our certificate", mutual, ClientOptions{CAFile: cert}, "certificate required"},
		{"with our certificate", mutual, ClientOptions{CertDirs: []string{certs}}, "not found"},
		{"refused", "127.0.0.1:1", ClientOptions{}, "connection refused"},
		{"no such host", "no-such-host.invalid", ClientOptions{}, "no host of that name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.o.CertDirs == nil {
				tt.o.CertDirs = []string{}
			}
			name := ref(t, tt.host+"/acme/tool:v1")
			_, err := NewClient(tt.o).Remote(name).Resolve(t.Context(), name.String())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestRetry checks that busy registries are asked again, when they say so.
func TestRetry(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusBadGateway} {
		var refused atomic.Int32
		r := modernRegistry(t, func(h http.Handler) http.Handler {
			seen := map[string]bool{}
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				key := r.Method + r.URL.Path
				if r.Method != http.MethodPatch && !seen[key] && strings.Contains(r.URL.Path, "manifests") {
					seen[key] = true
					refused.Add(1)
					w.Header().Set("Retry-After", "0")
					w.WriteHeader(status)
					return
				}
				h.ServeHTTP(w, r)
			})
		})
		s := testStore(t)
		d := put(t, s, testImage("x"), "tool:v1")
		remote, to := r.remote(t, "tool:v1")
		if c := mustCopy(t, s, "tool:v1", remote, to); c.Digest != d || refused.Load() == 0 {
			t.Errorf("%d: %+v after %d refusals", status, c, refused.Load())
		}
	}
	wait := func(after string) time.Duration {
		return backoff(0, &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {after}}})
	}
	if got := wait("7"); got != 7*time.Second {
		t.Errorf("Retry-After 7: %s", got)
	}
	if got := wait(time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)); got < 59*time.Minute {
		t.Errorf("Retry-After with a date: %s", got)
	}
	if got := wait("soon"); got <= 0 || got > time.Second {
		t.Errorf("Retry-After without sense: %s", got)
	}
}

// TestRetryAfter refuses blobs in the middle of a push, whose stream the transport
// cannot send again, and is not asked again before the time that it said.
func TestRetryAfter(t *testing.T) {
	var refused atomic.Int64
	var early atomic.Int32
	r := modernRegistry(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/blobs/") {
				h.ServeHTTP(w, r)
				return
			}
			if refused.CompareAndSwap(0, time.Now().UnixMilli()) {
				io.Copy(io.Discard, r.Body)
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			if time.Now().UnixMilli() < refused.Load()+990 {
				early.Add(1)
			}
			h.ServeHTTP(w, r)
		})
	})
	img := testImage("x")
	img.Metadata, img.Platforms = nil, img.Platforms[:1]
	img.Platforms[0].Layers = nil
	s := testStore(t)
	d := put(t, s, img, "tool:v1")
	remote, to := r.remote(t, "tool:v1")
	if c := mustCopy(t, s, "tool:v1", remote, to); c.Digest != d || refused.Load() == 0 || early.Load() > 0 {
		t.Errorf("%+v, refused at %d, %d requests too early", c, refused.Load(), early.Load())
	}
}

// TestAnswers checks that strange answers are refused in words.
func TestAnswers(t *testing.T) {
	json := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	page := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, "<!doctype html><title>log in</title>")
	}
	typed := func(mediaType string) http.HandlerFunc {
		const body = `{"schemaVersion":2,"config":{"mediaType":"application/vnd.docker.container.image.v1+json"}}`
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			w.Header().Set("Docker-Content-Digest", digest.FromString(body).String())
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			if r.Method != http.MethodHead {
				io.WriteString(w, body)
			}
		}
	}
	huge := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", ocispec.MediaTypeImageIndex)
		w.Header().Set("Content-Length", "99999999999")
		w.Header().Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
	}
	tests := []struct {
		name string
		h    http.HandlerFunc
		want string
	}{
		{"html", page, "web page instead of a manifest"},
		{"huge manifest", huge, "more than the"},
		{"denied", json(403, `{"errors":[{"code":"DENIED","message":"no"}]}`), "denied (403"},
		{"unauthorized", json(401, ""), "not logged in (401"},
		{"not found", json(404, ""), "not found in registry"},
		{"teapot", json(418, ""), "418"},
		{"no manifest", typed("application/json"), `answered with "application/json" instead of a manifest`},
		{"container image", typed("application/vnd.docker.distribution.manifest.v2+json"), "not a gadget image"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(tt.h)
			defer s.Close()
			name := ref(t, s.Listener.Addr().String()+"/acme/tool:v1")
			to := testStore(t)
			_, err := Copy(t.Context(), NewClient(ClientOptions{}).Remote(name), name.String(), to, name, CopyOptions{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if len(blobFiles(t, to)) > 0 {
				t.Error("something was stored")
			}
		})
	}
}

// TestParallel checks that blobs are fetched at the same time.
func TestParallel(t *testing.T) {
	var now, most atomic.Int32
	r := modernRegistry(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
				for n := now.Add(1); ; {
					old := most.Load()
					if n <= old || most.CompareAndSwap(old, n) {
						break
					}
				}
				time.Sleep(50 * time.Millisecond)
				defer now.Add(-1)
			}
			h.ServeHTTP(w, r)
		})
	})
	s := testStore(t)
	put(t, s, testImage("x"), "tool:v1")
	remote, to := r.remote(t, "tool:v1")
	mustCopy(t, s, "tool:v1", remote, to)
	most.Store(0)
	mustCopy(t, remote, to.String(), testStore(t), to)
	if most.Load() < 2 {
		t.Errorf("at most %d blobs at once", most.Load())
	}
}

var silentLog = log.New(io.Discard, "", 0)

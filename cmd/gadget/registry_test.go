package main

import (
	"bytes"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestRegistryScript runs the scripts that need a registry. Each gets one of its
// own, $REGISTRY, one that wants alice's password "secret", $PRIVATE, and one that
// takes container images only, $STRICT. What is asked of $REGISTRY is written to
// $WORK/requests, a line for each. $PROXY is a proxy behind which every host is one
// more registry, with the certificate of example.com that ca.pem signs.
func TestRegistryScript(t *testing.T) { testscript.Run(t, registryParams("testdata/registry")) }

func registryParams(dir string) testscript.Params {
	params := scriptParams(dir)
	setup := params.Setup
	params.Setup = func(e *testscript.Env) error {
		open := newRegistry()
		requests, err := os.OpenFile(filepath.Join(e.WorkDir, "requests"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		open.Config.Handler = logRequests(open.Config.Handler, log.New(requests, "", 0))
		private := newRegistry()
		private.Config.Handler = wantPassword(private.Config.Handler)
		strict := newRegistry()
		strict.Config.Handler = wantContainerImages(strict.Config.Handler)
		for name, s := range map[string]*httptest.Server{"REGISTRY": open, "PRIVATE": private, "STRICT": strict} {
			s.Start()
			e.Defer(s.Close)
			e.Setenv(name, s.Listener.Addr().String())
		}
		e.Defer(func() { requests.Close() })
		if err := startProxy(e); err != nil {
			return err
		}
		return setup(e)
	}
	return params
}

func newRegistry() *httptest.Server {
	return httptest.NewUnstartedServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
}

func startProxy(e *testscript.Env) error {
	behind := newRegistry()
	behind.StartTLS()
	e.Defer(behind.Close)
	proxy := httptest.NewServer(tunnel(behind.Listener.Addr().String()))
	e.Defer(proxy.Close)
	e.Setenv("PROXY", proxy.Listener.Addr().String())
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: behind.Certificate().Raw})
	return os.WriteFile(filepath.Join(e.WorkDir, "ca.pem"), ca, 0o600)
}

// tunnel is a proxy for HTTPS that leads to addr, whatever host is asked for.
func tunnel(addr string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "only for HTTPS", http.StatusMethodNotAllowed)
			return
		}
		there, err := net.Dial("tcp", addr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			defer there.Close()
			io.Copy(there, here)
		}()
		io.Copy(here, there)
	}
}

// wantContainerImages refuses manifests that name a type of ours.
func wantContainerImages(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			body, err := io.ReadAll(r.Body)
			if err != nil || strings.Contains(string(body), "artifactType") || strings.Contains(string(body), `"mediaType":"application/vnd.gadget`) {
				w.WriteHeader(http.StatusBadRequest)
				io.WriteString(w, `{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid"}]}`)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		h.ServeHTTP(w, r)
	})
}

func logRequests(h http.Handler, to *log.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to.Printf("%s %s", r.Method, r.URL.Path)
		h.ServeHTTP(w, r)
	})
}

func wantPassword(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "alice" || password != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
			return
		}
		h.ServeHTTP(w, r)
	})
}

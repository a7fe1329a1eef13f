package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestRegistryScript runs the scripts that need a registry. Each gets one of its
// own, $REGISTRY, and one that wants alice's password "secret", $PRIVATE.
func TestRegistryScript(t *testing.T) {
	params := scriptParams("testdata/registry")
	setup := params.Setup
	params.Setup = func(e *testscript.Env) error {
		open := newRegistry()
		private := newRegistry()
		private.Config.Handler = wantPassword(private.Config.Handler)
		open.Start()
		private.Start()
		e.Defer(open.Close)
		e.Defer(private.Close)
		e.Setenv("REGISTRY", open.Listener.Addr().String())
		e.Setenv("PRIVATE", private.Listener.Addr().String())
		return setup(e)
	}
	testscript.Run(t, params)
}

func newRegistry() *httptest.Server {
	return httptest.NewUnstartedServer(registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0))))
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

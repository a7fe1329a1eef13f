package container

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestRuntimes(t *testing.T) {
	docker := func(host string) Runtime {
		t.Helper()
		for _, r := range Runtimes(t.Context(), host) {
			if r.Name == "docker" {
				return r
			}
		}
		return Runtime{}
	}
	answers := fakeDocker(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/version" {
			t.Errorf("asked for %s", r.URL)
		}
		fmt.Fprint(w, `{"Version":"20.10.24"}`)
	})
	if r := docker(answers); r.Version != "20.10.24" || !r.Asked || "unix://"+r.Socket != answers || r.Err != nil {
		t.Errorf("found %+v", r)
	}
	refuses := fakeDocker(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", http.StatusForbidden) })
	if r := docker(refuses); !r.Asked || r.Err == nil || !strings.Contains(r.Err.Error(), "403") {
		t.Errorf("found %+v", r)
	}
	if r := docker("tcp://elsewhere"); r.Err == nil {
		t.Errorf("found %+v", r)
	}
}

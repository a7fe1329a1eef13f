package builder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// engines makes a directory with programs that are shell scripts.
func engines(t *testing.T, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestWhere chooses where clang runs, and says why it cannot run anywhere.
func TestWhere(t *testing.T) {
	const (
		clang  = "echo clang version 19.1.7"
		old    = "echo clang version 11.0.1"
		podman = `case "$1 $2" in "info "*) echo rootless=true;; "image inspect") exit 0;; esac`
		docker = `case "$1 $2" in "info "*) echo [name=seccomp];; "image inspect") exit 0;; esac`
		empty  = `case "$1 $2" in "info "*) echo rootless=false;; "image inspect") exit 1;; pull*) echo trying; echo denied by the registry >&2; exit 125;; esac`
		dead   = `echo warning; echo cannot connect to the daemon >&2; exit 1`
	)
	tests := []struct {
		name    string
		scripts map[string]string
		o       Options
		// engine and image that are chosen, "" for clang on this machine.
		engine, image string
		err           []string
		hint          string
	}{
		{name: "host", scripts: map[string]string{"clang": clang, "podman": podman}},
		{name: "host wanted", scripts: map[string]string{"clang": clang}, o: Options{Builder: Host}},
		{name: "old clang", scripts: map[string]string{"clang": old, "podman": podman}, engine: Podman, image: "ghcr.io/gadget-bpf/builder:latest"},
		{name: "its version", scripts: map[string]string{"podman": podman}, o: Options{Version: "v1.2.3"}, engine: Podman, image: "ghcr.io/gadget-bpf/builder:v1.2.3"},
		{name: "docker", scripts: map[string]string{"docker": docker}, engine: Docker, image: "ghcr.io/gadget-bpf/builder:latest"},
		{name: "docker after podman", scripts: map[string]string{"podman": dead, "docker": docker}, engine: Docker, image: "ghcr.io/gadget-bpf/builder:latest"},
		{name: "docker wanted", scripts: map[string]string{"clang": clang, "podman": podman, "docker": docker}, o: Options{Builder: Docker}, engine: Docker, image: "ghcr.io/gadget-bpf/builder:latest"},
		{name: "image", scripts: map[string]string{"clang": clang, "podman": podman}, o: Options{Builder: "image=localhost/mine:v1"}, engine: Podman, image: "localhost/mine:v1"},
		{name: "builder image", scripts: map[string]string{"clang": clang, "docker": docker}, o: Options{BuilderImage: "mine"}, engine: Docker, image: "mine"},
		{
			name: "nothing",
			err:  []string{"no clang on PATH", "version 14 or later", "apt install clang llvm", "container engine", "no podman on PATH", "no docker on PATH"},
		},
		{name: "nothing that works", scripts: map[string]string{"clang": old, "docker": dead}, err: []string{"clang is version 11", "docker does not work: cannot connect to the daemon"}},
		{name: "host only", scripts: map[string]string{"podman": podman}, o: Options{Builder: Host}, err: []string{"no clang on PATH", "apt install clang llvm"}},
		{name: "engine only", scripts: map[string]string{"clang": clang}, o: Options{Builder: Podman}, err: []string{"no podman on PATH", "install it"}},
		{
			name: "offline", scripts: map[string]string{"podman": empty}, o: Options{Offline: true},
			err: []string{"run ghcr.io/gadget-bpf/builder:latest by podman: the image is not here"}, hint: "podman pull ghcr.io/gadget-bpf/builder:latest",
		},
		{name: "never pulled", scripts: map[string]string{"podman": empty}, o: Options{BuilderPull: "never"}, err: []string{"the image is not here"}, hint: "--builder-image-pull never"},
		{name: "cannot be pulled", scripts: map[string]string{"podman": empty}, err: []string{"pull ghcr.io/gadget-bpf/builder:latest by podman: denied by the registry"}, hint: "packaging/builder"},
		{name: "no such choice", o: Options{Builder: "kubernetes"}, err: []string{`"kubernetes" is not one of auto, host, podman, docker, image=REF`}},
		{name: "no image", o: Options{Builder: "image="}, err: []string{"wants the name"}},
		{name: "an option", o: Options{BuilderImage: "--privileged"}, err: []string{"no name of an image"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := engines(t, tt.scripts)
			t.Setenv("PATH", dir)
			c := &compiler{}
			err := c.find(t.Context(), &tt.o)
			for _, want := range tt.err {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v does not say %q", err, want)
				}
			}
			var failed *EngineError
			if errors.As(err, &failed); tt.hint != "" && (failed == nil || !strings.Contains(failed.Hint, tt.hint)) {
				t.Errorf("error %#v does not hint at %q", err, tt.hint)
			}
			switch {
			case len(tt.err) > 0:
			case err != nil:
				t.Error(err)
			case tt.engine == "" && c.clang != filepath.Join(dir, "clang"):
				t.Errorf("clang %q", c.clang)
			case tt.engine != "" && (c.container == nil || c.container.name != tt.engine || c.container.image != tt.image || c.container.rootless != (tt.engine == Podman)):
				t.Errorf("container %+v, want %s with %s", c.container, tt.engine, tt.image)
			}
		})
	}
}

package registry

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"oras.land/oras-go/v2/registry/remote/auth"
)

func authFileOf(key, user, password string) string {
	return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, key, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

func TestCredentialFiles(t *testing.T) {
	vars := map[string]string{
		"REGISTRY_AUTH_FILE": "/r/auth.json", "DOCKER_CONFIG": "/d", "XDG_RUNTIME_DIR": "/run/user/0", "HOME": "/root",
		"SUDO_USER": "ann", "SUDO_UID": "1000",
	}
	env := func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	home := func(user string) string { return "/home/" + user }
	got := CredentialFiles(env, "/flag.json", home)
	want := []string{
		"/flag.json", "/r/auth.json", "/d/config.json", "/run/user/0/containers/auth.json",
		"/root/.config/containers/auth.json", "/root/.docker/config.json",
		"/run/user/1000/containers/auth.json", "/home/ann/.config/containers/auth.json", "/home/ann/.docker/config.json",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := CredentialFiles(func(string) (string, bool) { return "", false }, "", nil); len(got) > 0 {
		t.Errorf("without an environment: %v", got)
	}
}

// TestSudo finds the login of the user who called sudo, after root's own.
func TestSudo(t *testing.T) {
	root, ann := t.TempDir(), t.TempDir()
	vars := map[string]string{"HOME": root, "SUDO_USER": "ann", "SUDO_UID": "4242"}
	files := CredentialFiles(func(name string) (string, bool) { v, ok := vars[name]; return v, ok }, "", func(user string) string {
		return map[string]string{"ann": ann}[user]
	})
	for _, c := range []struct{ home, user string }{{ann, "ann"}, {root, "root"}} {
		if err := os.Mkdir(filepath.Join(c.home, ".docker"), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(c.home, ".docker", "config.json"), authFileOf("ghcr.io", c.user, "secret"))
		got, err := (&Credentials{Files: files}).find(t.Context(), ref(t, "ghcr.io/acme/tool"))
		if err != nil || got.Username != c.user {
			t.Errorf("found %+v, %v, want that of %s", got, err, c.user)
		}
	}
}

// TestCredentialKeys tries every way in which tools write a registry.
func TestCredentialKeys(t *testing.T) {
	tests := []struct {
		key, image string
		found      bool
	}{
		{"ghcr.io", "ghcr.io/acme/tool", true},
		{"https://ghcr.io", "ghcr.io/acme/tool", true},
		{"https://ghcr.io/", "ghcr.io/acme/tool", true},
		{"http://ghcr.io/v1/", "ghcr.io/acme/tool", true},
		{"https://ghcr.io/v2/", "ghcr.io/acme/tool", true},
		{"GHCR.io", "ghcr.io/acme/tool", true},
		{"ghcr.io/acme", "ghcr.io/acme/tool", true},
		{"ghcr.io/acme/tool", "ghcr.io/acme/tool", true},
		{"ghcr.io/other", "ghcr.io/acme/tool", false},
		{"ghcr.io/acm", "ghcr.io/acme/tool", false},
		{"ghcr.io:443", "ghcr.io/acme/tool", false},
		{"localhost:5000", "localhost:5000/tool", true},
		{"localhost", "localhost:5000/tool", false},
		{"https://index.docker.io/v1/", "docker.io/acme/tool", true},
		{"index.docker.io", "docker.io/acme/tool", true},
		{"registry-1.docker.io", "docker.io/acme/tool", true},
		{"docker.io", "docker.io/acme/tool", true},
		{"evil-docker.io", "docker.io/acme/tool", false},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "auth.json")
		write(t, path, authFileOf(tt.key, "alice", "secret:with:colons"))
		c := &Credentials{Files: []string{path}}
		got, err := c.find(t.Context(), ref(t, tt.image))
		if err != nil {
			t.Fatal(err)
		}
		if found := got.Credential == (auth.Credential{Username: "alice", Password: "secret:with:colons"}); found != tt.found {
			t.Errorf("key %q for %s: %+v, want found %v", tt.key, tt.image, got, tt.found)
		}
	}
}

// TestCredentialSources checks the order, broken files, and helpers of all kinds.
func TestCredentialSources(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	script := func(name, text string) {
		if err := os.WriteFile(filepath.Join(bin, "docker-credential-"+name), []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	script("good", `read key; echo "{\"ServerURL\":\"$key\",\"Username\":\"helped\",\"Secret\":\"s\"}"`)
	script("empty", `echo "credentials not found in native keychain"; exit 1`)
	script("dead", `echo "cannot talk to the desktop" >&2; exit 1`)
	script("token", `echo '{"Username":"<token>","Secret":"refresh"}'`)
	last := authFileOf("ghcr.io", "last", "s")
	tests := []struct {
		name  string
		files []string
		user  string
		token string
		warns string
	}{
		{"first file wins", []string{authFileOf("ghcr.io", "first", "s"), last}, "first", "", ""},
		{"a more specific key wins", []string{`{"auths":{"ghcr.io":{"auth":"YTpi"},"ghcr.io/acme":{"auth":"YzpkZA=="}}}`}, "c", "", ""},
		{"other registry", []string{authFileOf("quay.io", "first", "s"), last}, "last", "", ""},
		{"broken file", []string{`{"auths":`, last}, "last", "", "passed over"},
		{"empty file", []string{"", last}, "last", "", ""},
		{"not base64", []string{`{"auths":{"ghcr.io":{"auth":"%%%"}}}`, last}, "last", "", "not in base64"},
		{"podman's empty entry", []string{`{"auths":{"ghcr.io":{}}}`, last}, "last", "", ""},
		{"user and password", []string{`{"auths":{"ghcr.io":{"username":"u","password":"p"}}}`}, "u", "", ""},
		{"identity token", []string{`{"auths":{"ghcr.io":{"auth":"YTpi","identitytoken":"it"}}}`}, "", "it", ""},
		{"helper", []string{`{"credsStore":"good"}`, last}, "helped", "", ""},
		{"helper of the registry", []string{`{"credsStore":"dead","credHelpers":{"ghcr.io":"good"}}`, last}, "helped", "", ""},
		{"helper with a token", []string{`{"credsStore":"token"}`}, "", "refresh", ""},
		{"helper without one", []string{`{"credsStore":"empty"}`, last}, "last", "", ""},
		{"dead helper", []string{`{"credsStore":"dead"}`, last}, "last", "", "docker-credential-dead"},
		{"missing helper", []string{`{"credsStore":"desktop-gone"}`, last}, "last", "", "no program docker-credential-desktop-gone"},
		{"helper with a path", []string{`{"credsStore":"../../evil"}`, last}, "last", "", "no name of a helper"},
		{"nothing", nil, "", "", ""},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var words bytes.Buffer
			c := &Credentials{Files: []string{filepath.Join(dir, "absent")}, Log: slog.New(slog.NewTextHandler(&words, nil))}
			for j, text := range tt.files {
				path := filepath.Join(dir, fmt.Sprintf("%d-%d.json", i, j))
				write(t, path, text)
				c.Files = append(c.Files, path)
			}
			got, err := c.find(t.Context(), ref(t, "ghcr.io/acme/tool"))
			if err != nil {
				t.Fatal(err)
			}
			if got.Username != tt.user || got.RefreshToken != tt.token {
				t.Errorf("got %+v, want user %q, token %q", got, tt.user, tt.token)
			}
			if tt.warns == "" && words.Len() > 0 || !strings.Contains(words.String(), tt.warns) {
				t.Errorf("warning %q, want %q", words.String(), tt.warns)
			}
		})
	}
}

// TestLogin keeps what else a file holds, and its mode.
func TestLogin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "config.json")
	l := Login{"docker.io", "alice", "secret"}
	if where, err := l.Save(t.Context(), path); err != nil || where != path {
		t.Fatal(where, err)
	}
	write(t, path, `{"auths":{"https://index.docker.io/v1/":{"auth":"old"},"index.docker.io":{},"quay.io":{"auth":"kept"}},"psFormat":"table"}`)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Save(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !strings.Contains(text, `"psFormat"`) || !strings.Contains(text, "kept") || strings.Contains(text, "old") || strings.Contains(text, `"index.docker.io"`) {
		t.Errorf("the file is now %s", text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	c := &Credentials{Files: []string{path}}
	if got, err := c.find(t.Context(), ref(t, "docker.io/acme/tool")); err != nil || got.Password != "secret" {
		t.Errorf("found %+v, %v", got, err)
	}
	if found, err := Logout(t.Context(), path, "docker.io"); !found || err != nil {
		t.Error(found, err)
	}
	if found, err := Logout(t.Context(), path, "docker.io"); found || err != nil {
		t.Error("logged out twice", found, err)
	}
	if !HasLogin(path, "quay.io") || HasLogin(path, "docker.io") {
		t.Error("the wrong login is gone")
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), temporaryPattern))
	if len(left) > 0 {
		t.Errorf("temporary files: %v", left)
	}
}

// TestAuth logs in to a registry that wants a password.
func TestAuth(t *testing.T) {
	r := distribution(t)
	name := ref(t, r.host+"/acme/tool:v1")
	file := func(user, password string) []string {
		path := filepath.Join(t.TempDir(), "auth.json")
		write(t, path, authFileOf(r.host, user, password))
		return []string{path}
	}
	tests := []struct {
		name  string
		files []string
		want  []string
	}{
		{"right", file("alice", "secret"), nil},
		{"wrong password", file("alice", "hunter2"), []string{"401", "auth.json, key"}},
		{"unknown user", file("bob", "hunter2"), []string{"401", "auth.json, key"}},
		{"none", nil, []string{"401", "no credentials were found"}},
	}
	s := testStore(t)
	d := put(t, s, testImage("x"), name.String())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := r.client
			o.Credentials = &Credentials{Files: tt.files}
			_, err := Copy(t.Context(), s, d.String(), NewClient(o).Remote(name), name, CopyOptions{})
			if tt.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var refused *RemoteError
			if !errors.As(err, &refused) {
				t.Fatalf("got %v", err)
			}
			text := err.Error() + strings.Join(refused.Hints, "\n")
			if slices.ContainsFunc(tt.want, func(w string) bool { return !strings.Contains(text, w) }) || strings.Contains(text, "hunter2") {
				t.Errorf("message: %s", text)
			}
		})
	}
	for password, ok := range map[string]bool{"secret": true, "wrong": false} {
		if err := (Login{r.host, "alice", password}).Check(t.Context(), r.client); (err == nil) != ok {
			t.Errorf("login with %q: %v", password, err)
		}
	}
}

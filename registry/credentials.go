package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// maxAuthFile bounds files with credentials, in bytes.
const maxAuthFile = 4 << 20

// Credentials are who we are to registries, as docker login, podman login and
// gadget login have saved it.
type Credentials struct {
	// Files in the order in which they are read; those that do not exist are passed
	// over. Their form is that of docker's config.json.
	Files []string
	// Log gets warnings about files and helpers that do not work; nil is silent.
	Log *slog.Logger
	// warned keeps a warning from being said for every request.
	warned sync.Map
}

// CredentialFiles returns the files where credentials may be, in their order:
// authfile, $REGISTRY_AUTH_FILE, docker's of $DOCKER_CONFIG, podman's, docker's, and
// under sudo those of the user who called it, whose home is sudoHome.
func CredentialFiles(env func(string) (string, bool), authfile string, sudoHome func(user string) string) []string {
	var files []string
	add := func(parts ...string) {
		if path := filepath.Join(parts...); parts[0] != "" && !slices.Contains(files, path) {
			files = append(files, path)
		}
	}
	get := func(name string) string { v, _ := env(name); return v }
	add(authfile)
	add(get("REGISTRY_AUTH_FILE"))
	add(get("DOCKER_CONFIG"), "config.json")
	add(get("XDG_RUNTIME_DIR"), "containers", "auth.json")
	add(get("XDG_CONFIG_HOME"), "containers", "auth.json")
	home := func(dir string) {
		add(dir, ".config", "containers", "auth.json")
		add(dir, ".docker", "config.json")
	}
	home(get("HOME"))
	if user := get("SUDO_USER"); user != "" && sudoHome != nil {
		if id := get("SUDO_UID"); id != "" && strings.Trim(id, "0123456789") == "" {
			add("/run/user", id, "containers", "auth.json")
		}
		home(sudoHome(user))
	}
	return files
}

// authFile is docker's config.json, or podman's auth.json.
type authFile struct {
	Auths       map[string]authEntry `json:"auths"`
	CredHelpers map[string]string    `json:"credHelpers"`
	CredsStore  string               `json:"credsStore"`
}

type authEntry struct {
	Auth          string `json:"auth,omitempty"`
	Username      string `json:"username,omitempty"`
	Password      string `json:"password,omitempty"`
	IdentityToken string `json:"identitytoken,omitempty"`
	RegistryToken string `json:"registrytoken,omitempty"`
}

// foundCredential is a credential and where it was found.
type foundCredential struct {
	auth.Credential
	file, key, helper string
}

// find returns the first credential for a repository, an empty one when there is
// none. A file or helper that does not work is a warning, and the next is tried.
func (c *Credentials) find(ctx context.Context, ref Reference) (foundCredential, error) {
	for _, path := range c.Files {
		f, err := readAuthFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			c.warn("credentials in %s are passed over: %s", path, err)
			continue
		}
		found, err := c.findIn(ctx, path, f, ref)
		if err != nil {
			return found, err
		}
		if found.Credential != auth.EmptyCredential {
			return found, nil
		}
	}
	return foundCredential{}, nil
}

func (c *Credentials) findIn(ctx context.Context, path string, f *authFile, ref Reference) (foundCredential, error) {
	for _, want := range authKeys(ref) {
		for key, helper := range f.CredHelpers {
			if normalKey(key) != want {
				continue
			}
			found, err := c.ask(ctx, path, helper, key)
			if err != nil || found.Credential != auth.EmptyCredential {
				return found, err
			}
		}
		for _, key := range slices.Sorted(maps.Keys(f.Auths)) {
			if normalKey(key) != want {
				continue
			}
			credential, err := f.Auths[key].credential()
			if err != nil {
				c.warn("credentials in %s, key %q, are passed over: %s", path, key, err)
				continue
			}
			if credential != auth.EmptyCredential {
				return foundCredential{credential, path, key, ""}, nil
			}
		}
	}
	if f.CredsStore == "" {
		return foundCredential{}, nil
	}
	return c.ask(ctx, path, f.CredsStore, serverKey(ref.Domain))
}

// ask asks a helper. One that is dead is passed over, with a warning.
func (c *Credentials) ask(ctx context.Context, path, helper, key string) (foundCredential, error) {
	credential, err := askHelper(ctx, helper, key)
	if ctx.Err() != nil {
		return foundCredential{}, ctx.Err()
	}
	if err != nil {
		c.warn("credential helper %s of %s is passed over: %s", helperName(helper), path, err)
		return foundCredential{}, nil
	}
	return foundCredential{credential, path, key, helper}, nil
}

func (c *Credentials) warn(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if _, told := c.warned.LoadOrStore(text, true); !told && c.Log != nil {
		c.Log.Warn(text)
	}
}

func readAuthFile(path string) (*authFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, pathless(err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxAuthFile {
		return nil, errors.New("it is no ordinary file of reasonable size")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, pathless(err)
	}
	f := &authFile{}
	if len(strings.TrimSpace(string(data))) == 0 {
		return f, nil
	}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, errors.New(jsonTrouble(err))
	}
	return f, nil
}

// pathless drops the path from an error of a file that is named anyway.
func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// authKeys are the normal forms of the keys that count for a repository, the most
// specific first: podman has keys for parts of a registry.
func authKeys(ref Reference) []string {
	domain := normalKey(ref.Domain)
	keys := []string{}
	for path := ref.Path; path != ""; {
		keys = append(keys, domain+"/"+path)
		path = path[:max(0, strings.LastIndexByte(path, '/'))]
	}
	return append(keys, domain)
}

// normalKey makes one of the many ways in which tools write a registry.
func normalKey(key string) string {
	key = strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
	key = strings.TrimRight(key, "/")
	key = strings.TrimSuffix(strings.TrimSuffix(key, "/v1"), "/v2")
	host, path, _ := strings.Cut(key, "/")
	switch host = strings.ToLower(host); host {
	case "index.docker.io", "registry-1.docker.io":
		host = "docker.io"
	}
	if path != "" {
		return host + "/" + path
	}
	return host
}

// serverKey is the key under which docker saves the credentials of a registry.
func serverKey(domain string) string {
	if normalKey(domain) == "docker.io" {
		return "https://index.docker.io/v1/"
	}
	return domain
}

func (e authEntry) credential() (auth.Credential, error) {
	c := auth.Credential{Username: e.Username, Password: e.Password, RefreshToken: e.IdentityToken, AccessToken: e.RegistryToken}
	if e.Auth == "" {
		return c, nil
	}
	plain, err := base64.StdEncoding.DecodeString(e.Auth)
	if err != nil {
		return auth.EmptyCredential, errors.New("auth is not in base64")
	}
	user, password, ok := strings.Cut(string(plain), ":")
	if !ok {
		return auth.EmptyCredential, errors.New("auth is not USER:PASSWORD")
	}
	c.Username, c.Password = user, strings.TrimRight(password, "\x00")
	if c.RefreshToken != "" {
		c.Username, c.Password = "", ""
	}
	return c, nil
}

// usedCredential remembers which credential was sent.
type usedCredential struct {
	mu    sync.Mutex
	found foundCredential
}

func (u *usedCredential) set(f foundCredential) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.found = f
}

// words say where the credential comes from, and never what it is.
func (u *usedCredential) words() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch f := u.found; {
	case f.file == "":
		return "no credentials were found for this registry"
	case f.helper != "":
		return fmt.Sprintf("the credentials are those of %s, key %q (named in %s)", helperName(f.helper), f.key, f.file)
	default:
		return fmt.Sprintf("the credentials are those of %s, key %q", f.file, f.key)
	}
}

package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// Login is a user name and password for a registry.
type Login struct {
	// Registry is its host, with the port if it has one.
	Registry, User, Password string
}

// Check logs in to the registry and does nothing there.
func (l Login) Check(ctx context.Context, o ClientOptions) error {
	dir, err := os.MkdirTemp("", "gadget-login-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// The same way as later, but with this credential alone.
	path := filepath.Join(dir, "auth.json")
	if err := l.write(path); err != nil {
		return err
	}
	o.Credentials = &Credentials{Files: []string{path}}
	remote := NewClient(o).Remote(Reference{Domain: l.Registry, Path: "login"})
	err = remote.Ping(ctx)
	var e *RemoteError
	if errors.As(err, &e) && len(e.Hints) > 0 && !e.Unreachable {
		e.Hints = []string{fmt.Sprintf("the registry does not take user %q with this password", l.User)}
	}
	return err
}

// Save keeps the login in a file, or in the helper that the file names for it,
// and returns where in words. What else the file holds stays.
func (l Login) Save(ctx context.Context, path string) (where string, err error) {
	if helper, err := helperFor(path, l.Registry); err != nil {
		return "", err
	} else if helper != "" {
		secret, err := json.Marshal(helperSecret{serverKey(l.Registry), l.User, l.Password})
		if err != nil {
			return "", err
		}
		if _, err := runHelper(ctx, helper, "store", string(secret)); err != nil {
			return "", fmt.Errorf("save login in %s, which %s names: %w", helperName(helper), path, err)
		}
		return helperName(helper), nil
	}
	return path, l.write(path)
}

func (l Login) write(path string) error {
	entry, err := json.Marshal(authEntry{Auth: base64.StdEncoding.EncodeToString([]byte(l.User + ":" + l.Password))})
	if err != nil {
		return err
	}
	return changeAuths(path, func(auths map[string]json.RawMessage) {
		dropKeys(auths, l.Registry)
		auths[serverKey(l.Registry)] = entry
	})
}

// Logout removes the login for a registry from a file, or from the helper that the
// file names for it. It returns false when there was none.
func Logout(ctx context.Context, path, registry string) (bool, error) {
	f, err := readAuthFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", path, err)
	}
	helper, err := helperFor(path, registry)
	if err != nil {
		return false, err
	}
	found := false
	if helper != "" {
		credential, err := askHelper(ctx, helper, serverKey(registry))
		if err == nil && credential != auth.EmptyCredential {
			_, err = runHelper(ctx, helper, "erase", serverKey(registry))
			found = true
		}
		if err != nil {
			return false, fmt.Errorf("remove login from %s, which %s names: %w", helperName(helper), path, err)
		}
	}
	for key := range f.Auths {
		if normalKey(key) != normalKey(registry) {
			continue
		}
		found = true
		return found, changeAuths(path, func(auths map[string]json.RawMessage) { dropKeys(auths, registry) })
	}
	return found, nil
}

func dropKeys(auths map[string]json.RawMessage, registry string) {
	for key := range auths {
		if normalKey(key) == normalKey(registry) {
			delete(auths, key)
		}
	}
}

// helperFor returns the helper that a file names for a registry, "" for none.
func helperFor(path, registry string) (string, error) {
	f, err := readAuthFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	for key, helper := range f.CredHelpers {
		if normalKey(key) == normalKey(registry) {
			return helper, nil
		}
	}
	return f.CredsStore, nil
}

// changeAuths rewrites the part "auths" of a file, at once and for its owner only.
func changeAuths(path string, change func(map[string]json.RawMessage)) error {
	// People keep such files elsewhere and link to them.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	all := map[string]json.RawMessage{}
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read logins: %w", err)
	}
	if len(strings.TrimSpace(string(data))) > 0 {
		if err := json.Unmarshal(data, &all); err != nil {
			return fmt.Errorf("%s: %s", path, jsonTrouble(err))
		}
	}
	auths := map[string]json.RawMessage{}
	if raw := all["auths"]; raw != nil {
		if err := json.Unmarshal(raw, &auths); err != nil {
			return fmt.Errorf("%s: auths: %s", path, jsonTrouble(err))
		}
	}
	if auths == nil {
		auths = map[string]json.RawMessage{}
	}
	change(auths)
	if all["auths"], err = json.Marshal(auths); err != nil {
		return err
	}
	if data, err = json.MarshalIndent(all, "", "\t"); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("save logins: %w", err)
	}
	// Temporary files are their owner's alone.
	if err := replaceFile(filepath.Dir(path), filepath.Base(path), append(data, '\n')); err != nil {
		return fmt.Errorf("save logins: %w", err)
	}
	return nil
}

// HasLogin says whether a file has a login for a registry, without asking helpers.
func HasLogin(path, registry string) bool {
	f, err := readAuthFile(path)
	if err != nil {
		return false
	}
	for key := range f.Auths {
		if normalKey(key) == normalKey(registry) {
			return true
		}
	}
	return false
}

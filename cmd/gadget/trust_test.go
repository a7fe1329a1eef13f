package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/registry/policy"
	"github.com/gadget-bpf/gadget/registry/signature"
	"github.com/gadget-bpf/gadget/schemas"
)

func TestOfficialKey(t *testing.T) {
	keys, err := signature.ParsePublicKeys(projectName, []byte(projectKey))
	if err != nil || len(keys) != 1 || len(officialKeys()) != 1 {
		t.Fatal(keys, err)
	}
}

// policyFile is a configuration file with these rules.
func policyFile(t *testing.T, path, rules string) settingsFile {
	t.Helper()
	config, problems, err := schemas.ParseConfig(path, []byte("policy: ["+rules+"]"))
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	p, problems := policy.New(*config.Policy)
	if p == nil {
		t.Fatal(problems)
	}
	return settingsFile{path: path, config: config, policy: p}
}

// TestPolicyFiles has the user's policy and that of the system: each must be content,
// and no flag changes what the system's says.
func TestPolicyFiles(t *testing.T) {
	dir := t.TempDir()
	key, err := signature.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "k.pub"), key.Public().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	from, err := registry.OpenStore(filepath.Join(dir, "from"), registry.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := registry.OpenStore(filepath.Join(dir, "store"), registry.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string, sign bool) *foundImage {
		ref, err := registry.ParseReference(name)
		if err != nil {
			t.Fatal(err)
		}
		image := &schemas.Image{Metadata: []byte("name: " + name), Platforms: []schemas.Platform{{OS: "linux", Arch: "amd64"}, {OS: "linux", Arch: "arm64"}}}
		d, err := from.Put(t.Context(), image, ref)
		if err != nil {
			t.Fatal(err)
		}
		if sign {
			if _, err := registry.Sign(t.Context(), from, d, key, registry.SignOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := registry.Copy(t.Context(), from, name, store, ref, registry.CopyOptions{}); err != nil {
			t.Fatal(err)
		}
		return &foundImage{source: store, desc: d, name: name}
	}
	signed, bare := find("acme/signed", true), find("acme/bare", false)
	pem := strings.ReplaceAll(string(key.Public().PEM()), "\n", `\n`)
	always, never := `{images: "*", allow: always}`, `{images: "*", allow: never}`
	byFile, byText := `{images: acme/*, keys: `+filepath.Join(dir, "k.pub")+`}`, `{images: acme/*, keys: "`+pem+`"}`
	no := false
	tests := []struct {
		name         string
		user, system string
		image        *foundImage
		unasked      bool
		want         string // of the refusal, "" for none
		hint         string
	}{
		{"both content", always, always, bare, false, "", ""},
		{"user's rule", byFile, always, signed, false, "", ""},
		{"a key as text", byText, "", signed, false, "", ""},
		{"user refuses", byFile, always, bare, false, "not signed", "--verify-image=false runs"},
		{"user is not asked", byFile, always, bare, true, "", ""},
		{"system refuses", always, byFile, bare, false, "not signed", "flags do not change"},
		{"system is always asked", always, byFile, bare, true, "not signed", "flags do not change"},
		{"system first", never, byFile, bare, false, "not signed", "flags do not change"},
		{"only the system's", "", byText, signed, false, "", ""},
		{"another repository", `{images: other/*, allow: always}`, "", signed, false, "no rule", "your policy"},
		{"never", never, "", signed, false, "never allows", "your policy"},
		{"nobody refuses", "", "", bare, false, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &app{log: slog.New(slog.DiscardHandler), settings: &settings{typed: map[*pflag.Flag]bool{}, env: os.LookupEnv}}
			a.env = func(string) (string, bool) { return dir, true }
			for path, rules := range map[string]string{filepath.Join(dir, "user.yaml"): tt.user, systemConfig: tt.system} {
				if rules != "" {
					a.settings.files = append(a.settings.files, policyFile(t, path, rules))
				}
			}
			if len(a.settings.files) == 2 && a.settings.files[0].system() {
				a.settings.files[0], a.settings.files[1] = a.settings.files[1], a.settings.files[0]
			}
			o := &trustOptions{}
			if tt.unasked {
				o.verify.value = &no
			}
			err := a.admit(t.Context(), tt.image.name, tt.image, o)
			f := asFault(err)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && (f == nil || f.code != exitPolicy || !strings.Contains(err.Error(), tt.want) || !strings.Contains(strings.Join(f.hints, "\n"), tt.hint)):
				t.Errorf("refusal: %v, %+v", err, f)
			}
		})
	}
	// In the store where it was built it may run.
	a := &app{log: slog.New(slog.DiscardHandler), settings: &settings{files: []settingsFile{policyFile(t, systemConfig, never)}}}
	if err := a.admit(t.Context(), bare.name, &foundImage{source: from, desc: bare.desc, name: bare.name}, &trustOptions{}); err != nil {
		t.Error(err)
	}
}

// TestToldFile keeps the file of what the user was told small.
func TestToldFile(t *testing.T) {
	dir := t.TempDir()
	a := &app{streams: streams{env: func(string) (string, bool) { return dir, true }}}
	path := filepath.Join(dir, "gadget", toldFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for i := 0; text.Len() <= maxTold; i++ {
		text.WriteString("sha256:" + strconv.Itoa(i) + "\n")
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	found := &foundImage{}
	found.desc.Digest = "sha256:new"
	if a.wasTold(found) {
		t.Error("told before it was")
	}
	if err := a.rememberTold(found); err != nil {
		t.Fatal(err)
	}
	told, err := os.ReadFile(path)
	if err != nil || len(told) > maxTold/2+100 || !strings.HasPrefix(string(told), "sha256:") || !a.wasTold(found) {
		t.Errorf("%d bytes, %.20q, %v", len(told), told, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "gadget")); errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

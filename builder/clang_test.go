package builder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// bin makes a directory of scripts that all say the given version.
func bin(t *testing.T, versions map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, version := range versions {
		script := "#!/bin/sh\necho 'Debian clang version " + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFindClang(t *testing.T) {
	a := bin(t, map[string]string{"clang": "16.0.6", "clang-14": "14.0.0", "clang++": "99.0.0", "clang-format-20": "20.1.0"})
	b := bin(t, map[string]string{"clang-19": "19.1.7", "clang-14": "14.0.6"})
	old := bin(t, map[string]string{"clang": "11.0.1", "clang-13": "13.0.0"})
	mute := bin(t, map[string]string{"clang": ""})
	empty := t.TempDir()
	tests := []struct {
		name string
		path []string
		want string
		err  []string
	}{
		{name: "newest", path: []string{a, b}, want: filepath.Join(b, "clang-19")},
		{name: "without a number in its name", path: []string{old, a}, want: filepath.Join(a, "clang")},
		{name: "missing directories", path: []string{"/nowhere", "", ".", b}, want: filepath.Join(b, "clang-19")},
		{name: "none", path: []string{empty}, err: []string{"no clang on PATH", "clang-N", "apt install clang llvm"}},
		{name: "too old", path: []string{old}, err: []string{"clang 14 or later is needed", "clang is version 11", "clang-13 is version 13", "apt install clang llvm"}},
		{name: "unknown", path: []string{mute}, err: []string{"of an unknown version"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := FindClang(t.Context(), strings.Join(tt.path, string(filepath.ListSeparator)))
			if got.Path != tt.want {
				t.Errorf("got %q, want %q (error %v)", got.Path, tt.want, err)
			}
			for _, want := range tt.err {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v does not say %q", err, want)
				}
			}
		})
	}
}

func TestWithoutHeaders(t *testing.T) {
	_, err := openHeaders(fstest.MapFS{}, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("error %v does not say make build", err)
	}
}

func TestHeadersWithoutCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := openHeaders(embedded, filepath.Join(file, "cannot"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(h.dir, "include", "gadget", "types.h")); err != nil {
		t.Error(err)
	}
	h.close()
	if _, err := os.Stat(h.dir); err == nil {
		t.Errorf("%s is left behind", h.dir)
	}
}

package builder

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/schemas"
)

// TestCreate builds a gadget from each template, without a single complaint.
func TestCreate(t *testing.T) {
	if names := Templates(); !slices.Equal(names, []string{"profile", "snapshot", "top", "trace", "uprobe"}) {
		t.Errorf("templates %v", names)
	}
	for _, template := range Templates() {
		t.Run(template, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "my_"+template)
			files, err := Create(dir, template)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{".gitignore", "README.md", "build.yaml", FlagsFile, "gadget.yaml", schemas.DefaultTestFile, "program.bpf.c"} {
				if !slices.Contains(files, want) {
					t.Errorf("no %s among %v", want, files)
				}
			}
			for _, f := range files {
				text, err := os.ReadFile(filepath.Join(dir, f))
				if err != nil || strings.Contains(string(text), placeholder) || strings.Contains(string(text), "@about@") {
					t.Errorf("%s: %v\n%s", f, err, text)
				}
			}
			src, err := ResolveSource(dir, SourceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			problems, err := Lint(t.Context(), src, Options{Stderr: os.Stderr})
			if err != nil || len(problems) > 0 {
				t.Errorf("%v, %v", problems, err)
			}
			if _, err := Build(t.Context(), src, Options{Strict: true}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ dir, template, want string }{
		{dir, "trace", "cannot be the name of a gadget"},
		{filepath.Join(dir, "My-Gadget"), "trace", "cannot be the name of a gadget"},
		{filepath.Join(dir, "a_name_that_is_too_long"), "trace", "up to 15"},
		{filepath.Join(dir, "ok"), "nothing", `no template "nothing"; there are profile, snapshot`},
		{filepath.Join(dir, "no", "parent"), "trace", "no such file or directory"},
	} {
		if _, err := Create(tt.dir, tt.template); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s from %s: %v", tt.dir, tt.template, err)
		}
	}
	mine := filepath.Join(dir, "mine")
	if err := os.Mkdir(mine, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(mine, "trace"); err == nil || !strings.Contains(err.Error(), "nothing is overwritten") {
		t.Errorf("overwrote a directory: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left %v, %v", entries, err)
	}
}

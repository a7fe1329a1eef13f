package builder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree writes files below a new directory, and makes it the working directory.
func tree(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func TestResolveSource(t *testing.T) {
	files := map[string]string{
		"g/program.bpf.c":   "",
		"g/gadget.yaml":     "",
		"g/other.bpf.c":     "",
		"g/mod.wasm":        "",
		"meta/gadget.yaml":  "",
		"built/build.yaml":  "ebpfsource: src/x.bpf.c\nmetadata: y.yaml\nwasm: ../g/mod.wasm\n",
		"built/src/x.bpf.c": "", "built/y.yaml": "",
		"one.bpf.c": "", "one.yaml": "", "build2.yaml": "ebpfsource: other.bpf.c\n",
	}
	tests := []struct {
		name string
		dir  string
		o    SourceOptions
		want Source
	}{
		{"defaults", "g", SourceOptions{}, Source{Program: "g/program.bpf.c", Metadata: "g/gadget.yaml"}},
		{"metadata only", "meta", SourceOptions{}, Source{Metadata: "meta/gadget.yaml"}},
		{"build.yaml", "built", SourceOptions{}, Source{Program: "built/src/x.bpf.c", Metadata: "built/y.yaml", WASM: "g/mod.wasm"}},
		{"another build file", "g", SourceOptions{BuildFile: "build2.yaml"}, Source{Program: "g/other.bpf.c", Metadata: "g/gadget.yaml"}},
		{"files by flag", "", SourceOptions{Program: "one.bpf.c", Definition: "one.yaml"}, Source{Program: "one.bpf.c", Metadata: "one.yaml"}},
		{"one file by flag", "g", SourceOptions{Program: "./one.bpf.c"}, Source{Program: "./one.bpf.c", Metadata: "g/gadget.yaml"}},
	}
	tree(t, files)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ResolveSource(tt.dir, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestResolveSourceErrors(t *testing.T) {
	tree(t, map[string]string{
		"g/program.bpf.c":    "",
		"empty/README":       "",
		"lost/build.yaml":    "# where is it?\nebpfsource: nowhere.bpf.c\n",
		"option/build.yaml":  "ebpfsource: -fplugin=x.c\n",
		"unknown/build.yaml": "cflags: -O3\n",
		"broken/build.yaml":  "a: [\n",
	})
	tests := []struct {
		name string
		dir  string
		o    SourceOptions
		want []string
	}{
		{"no directory", "h", SourceOptions{}, []string{"read gadget", "h", "no such file"}},
		{"a file", "g/program.bpf.c", SourceOptions{}, []string{"--prog g/program.bpf.c"}},
		{"nothing there", "empty", SourceOptions{}, []string{"nothing to build in empty", "program.bpf.c", "gadget.yaml"}},
		{"named file is missing", "lost", SourceOptions{}, []string{"lost/build.yaml:2:13", "lost/nowhere.bpf.c: no such file"}},
		{"no such build file", "g", SourceOptions{BuildFile: "b.yaml"}, []string{"b.yaml", "no such file"}},
		{"flag relative to the directory", "g", SourceOptions{Program: "program.bpf.c"}, []string{"is it g/program.bpf.c?"}},
		{"option as directory", "-g", SourceOptions{}, []string{`begins with "-"`, "./-g"}},
		{"response file", "g", SourceOptions{Program: "@flags"}, []string{`begins with "@"`}},
		{"option in build.yaml", "option", SourceOptions{}, []string{"option/build.yaml:1:13", `begins with "-"`}},
		{"control characters", "g\nerror: x", SourceOptions{}, []string{"control characters"}},
		{"unknown key", "unknown", SourceOptions{}, []string{"unknown/build.yaml:1:1", "cflags"}},
		{"not YAML", "broken", SourceOptions{}, []string{"broken/build.yaml"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ResolveSource(tt.dir, tt.o)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

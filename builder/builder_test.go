package builder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/schemas"
)

const program = `#include <vmlinux.h>
#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>
#include "size.h"

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	gadget_errno error_raw;
	char file[SIZE];
};

const volatile bool failed = false;
GADGET_PARAM(failed);

const volatile bool secret = false;

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(ex, events, event);

SEC("raw_tp/sched_process_exec")
int on_exec(void *ctx)
{
	struct event *event;

	if (failed || secret || gadget_should_discard_data_current())
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&event->proc);
	event->error_raw = 0;
	event->file[0] = 0;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
`

const definition = `name: mysnoop
description: shows something
homepageURL: https://example.com/
annotations:
  org.opencontainers.image.title: another title
  mine: yes
params:
  ebpf:
    failed: {key: failed, description: only failures}
datasources:
  ex:
    fields:
      proc.comm: {annotations: {description: the command}}
      error: {annotations: {description: what went wrong}}
      Runtime.containerName: {annotations: {columns.width: 20}}
      k8s: {annotations: {columns.hidden: true}}
programs:
  on_exec: {attach_to: sched_process_exec}
`

func gadgetFiles(dir string) map[string]string {
	return map[string]string{
		dir + "/program.bpf.c": program,
		dir + "/size.h":        "#define SIZE 32\n",
		dir + "/gadget.yaml":   definition,
	}
}

func build(t *testing.T, dir string, o Options) (*Result, string, error) {
	t.Helper()
	var stderr bytes.Buffer
	o.Stderr = &stderr
	src, err := ResolveSource(dir, SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := Build(t.Context(), src, o)
	return res, stderr.String(), err
}

// clangs returns the compilers on this machine: all of them must do.
func clangs(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, name := range []string{"clang", "clang-14", "clang-16", "clang-19"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if path, err = filepath.EvalSymlinks(path); err == nil && !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	if len(out) == 0 {
		t.Fatal("no clang on this machine; apt install clang llvm")
	}
	return out
}

func TestBuild(t *testing.T) {
	tree(t, gadgetFiles("g"))
	res, stderr, err := build(t, "g", Options{Version: "v1.2.3"})
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if stderr != "" || len(res.Problems) > 0 {
		t.Errorf("complaints about a gadget without faults: %s%v", stderr, res.Problems)
	}
	if diff := cmp.Diff(definition, string(res.Image.Metadata)); diff != "" {
		t.Errorf("metadata is not what the file says (-want +got):\n%s", diff)
	}
	headers := res.Image.Annotations[schemas.AnnotationHeaders]
	if !strings.HasPrefix(headers, "sha256:") {
		t.Errorf("digest of the headers is %q", headers)
	}
	want := map[string]string{
		"org.opencontainers.image.title":       "another title",
		"org.opencontainers.image.description": "shows something",
		"org.opencontainers.image.url":         "https://example.com/",
		"org.opencontainers.image.created":     "1970-01-01T00:00:00Z",
		"io.inspektor-gadget.builder.version":  "v1.2.3",
		"mine":                                 "yes",
		schemas.AnnotationHeaders:              headers,
	}
	if diff := cmp.Diff(want, res.Image.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	var platforms []string
	for _, p := range res.Image.Platforms {
		platforms = append(platforms, p.OS+"/"+p.Arch)
		if len(p.Layers) != 1 || p.Layers[0].MediaType != schemas.MediaTypeProgram || !bytes.HasPrefix(p.Layers[0].Data, []byte("\x7fELF")) {
			t.Errorf("layers of %s are %v", p.Arch, p.Layers)
		}
	}
	if diff := cmp.Diff(Platforms(), platforms); diff != "" {
		t.Errorf("platforms (-want +got):\n%s", diff)
	}
}

// Same source in two directories, by two paths, at two times: the same bytes.
func TestBuildIsReproducible(t *testing.T) {
	files := gadgetFiles("g")
	for name, text := range gadgetFiles("another/place/h") {
		files[name] = text
	}
	for _, clang := range clangs(t) {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(clang))), func(t *testing.T) {
			tree(t, files)
			first, stderr, err := build(t, "g", Options{Clang: clang})
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			abs, err := filepath.Abs("another/place/h")
			if err != nil {
				t.Fatal(err)
			}
			cache := t.TempDir()
			for _, dir := range []string{"./g", "another/place/h", abs} {
				again, _, err := build(t, dir, Options{Clang: clang, CacheDir: cache, Color: true})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(first.Image, again.Image); diff != "" {
					t.Errorf("build in %s differs:\n%.2000s", dir, diff)
				}
			}
			for _, p := range first.Image.Platforms {
				for _, foreign := range []string{filepath.Dir(abs), "headers-", "/tmp", "/root"} {
					if bytes.Contains(p.Layers[0].Data, []byte(foreign)) {
						t.Errorf("object for %s contains %q", p.Arch, foreign)
					}
				}
				// The verifier's complaints show lines of the source.
				if !bytes.Contains(p.Layers[0].Data, []byte("event->error_raw = 0;")) {
					t.Errorf("object for %s has no source lines", p.Arch)
				}
			}
		})
	}
}

func TestBuildCreated(t *testing.T) {
	tree(t, map[string]string{"g/gadget.yaml": "name: meta\nannotations: {org.opencontainers.image.created: never}\n"})
	res, _, err := build(t, "g", Options{Clang: "/there/is/none", Created: time.Unix(1700000000, 0).In(time.FixedZone("", 3600))})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := res.Image.Annotations["org.opencontainers.image.created"], "2023-11-14T22:13:20Z"; got != want {
		t.Errorf("created is %q, want %q", got, want)
	}
	if len(res.Image.Platforms) != 2 || len(res.Image.Platforms[0].Layers) != 0 {
		t.Errorf("platforms of a gadget without programs: %v", res.Image.Platforms)
	}
}

func TestBuildWASM(t *testing.T) {
	files := gadgetFiles("g")
	files["g/build.yaml"] = "wasm: m.wasm\n"
	files["g/m.wasm"] = "\x00asm\x01\x00\x00\x00"
	files["g/gadget.yaml"] += "ebpfParams: {}\n"
	files["g/gadget.yaml"] = strings.Replace(definition, "      k8s:", "      made_by_wasm: {}\n      k8s:", 1)
	tree(t, files)
	res, _, err := build(t, "g", Options{Platforms: []string{"linux/arm64"}})
	if err != nil {
		t.Fatal(err)
	}
	p := res.Image.Platforms
	if len(p) != 1 || p[0].Arch != "arm64" || len(p[0].Layers) != 2 || p[0].Layers[1].MediaType != schemas.MediaTypeWASM {
		t.Errorf("platforms are %+v", p)
	}
	if len(res.Problems) != 1 || res.Problems[0].Severity != schemas.Warning || !strings.Contains(res.Problems[0].Message, "made_by_wasm") {
		t.Errorf("problems are %v, want one warning about made_by_wasm", res.Problems)
	}

	for name, want := range map[string]string{"m.go": "not supported yet", "m.txt": "not supported yet", "bad.wasm": "not a WASM module"} {
		files["g/build.yaml"] = "wasm: " + name + "\n"
		files["g/"+name] = "package main"
		tree(t, files)
		if _, _, err := build(t, "g", Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not say %q", name, err, want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	files := gadgetFiles("g")
	files["g/program.bpf.c"] = strings.Replace(program, "event->error_raw = 0;", "event->err = 0;", 1)
	for _, clang := range clangs(t) {
		tree(t, files)
		_, stderr, err := build(t, "g", Options{Clang: clang})
		var refused *CompileError
		if !errors.As(err, &refused) {
			t.Fatalf("error is %v", err)
		}
		if !strings.Contains(err.Error(), "compile g/program.bpf.c for linux/amd64") || refused.Diagnostics != "" {
			t.Errorf("error is %q", err)
		}
		if want := "g/program.bpf.c:36:9: error: no member named 'err'"; strings.Count(stderr, want) != 1 {
			t.Errorf("clang's text does not say %q once:\n%s", want, stderr)
		}
		if strings.Contains(stderr, "\x1b") {
			t.Error("colours that nobody asked for")
		}
		if _, stderr, _ := build(t, "g", Options{Clang: clang, Color: true}); !strings.Contains(stderr, "\x1b[") {
			t.Error("no colours")
		}
	}
	_, err := Build(t.Context(), Source{Program: "g/program.bpf.c"}, Options{})
	if err == nil || !strings.Contains(err.Error(), "no member named 'err'") {
		t.Errorf("without Stderr the error says only %v", err)
	}
}

func TestCompileWarnings(t *testing.T) {
	files := gadgetFiles("g")
	files["g/program.bpf.c"] = strings.Replace(program, "struct event *event;", "struct event *event; int unused;", 1)
	tree(t, files)
	_, stderr, err := build(t, "g", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "g/program.bpf.c:27:27: warning: unused variable"; strings.Count(stderr, want) != 1 {
		t.Errorf("clang's text does not say %q once:\n%s", want, stderr)
	}
}

func TestBuildCancelled(t *testing.T) {
	tree(t, gadgetFiles("g"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	res, err := Build(ctx, Source{Program: "g/program.bpf.c"}, Options{})
	if !errors.Is(err, context.Canceled) || res != nil {
		t.Errorf("got %v, %v", res, err)
	}
}

func TestUnknownPlatform(t *testing.T) {
	tree(t, gadgetFiles("g"))
	_, _, err := build(t, "g", Options{Platforms: []string{"linux/riscv64"}})
	if err == nil || !strings.Contains(err.Error(), "linux/amd64 and linux/arm64") {
		t.Errorf("error is %v", err)
	}
}

func TestPlatformsMustAgree(t *testing.T) {
	files := gadgetFiles("g")
	files["g/size.h"] = "#ifdef __TARGET_ARCH_x86\n#define SIZE 8]; int more; int last[1\n#else\n#define SIZE 8\n#endif\n"
	tree(t, files)
	_, stderr, err := build(t, "g", Options{})
	if err == nil || !strings.Contains(err.Error(), "linux/amd64 and linux/arm64 differ: data source ex") {
		t.Errorf("error is %v\n%s", err, stderr)
	}
}

// Every fault of the metadata with its place and the nearest name.
func TestMetadataChecks(t *testing.T) {
	tests := []struct {
		name, old, new string
		want           []string
	}{
		{"field", "proc.comm:", "proc.com:", []string{"g/gadget.yaml:13:7: error", `no field "proc.com"`, `did you mean "proc.comm"?`}},
		{"formatted field", "      error:", "      eror:", []string{"g/gadget.yaml:14:7: error", `did you mean "error"?`}},
		{"enriched field", "Runtime.containerName", "runtime.containername_", []string{":15:7: error", `did you mean "runtime.containerName"?`}},
		{"shown instead", "columns.width: 20", "columns.replace: proc.com", []string{":15:7: error", `columns.replace of field "Runtime.containerName": data source ex has no field "proc.com"`, `did you mean "proc.comm"?`}},
		{"data source", "  ex:", "  exec:", []string{":11:3: error", `no data source "exec"`, "there is ex"}},
		{"parameter", "    failed:", "    failde:", []string{":9:5: error", `no variable "failde"`, `did you mean "failed"?`}},
		{"variable", "    failed:", "    secret:", []string{":9:5: error", `"secret" is not a parameter`, "GADGET_PARAM(secret)"}},
		{"program", "  on_exec:", "  onexec:", []string{":18:3: error", `no program "onexec"`, `did you mean "on_exec"?`}},
		{"key", "homepageURL", "homepage", []string{":3:1: error", "homepage"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := gadgetFiles("g")
			files["g/gadget.yaml"] = strings.Replace(definition, tt.old, tt.new, 1)
			tree(t, files)
			res, _, err := build(t, "g", Options{Platforms: []string{"linux/amd64"}})
			var refused *CheckError
			if !errors.As(err, &refused) || res != nil {
				t.Fatalf("got %v, error %v", res, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if len(refused.Problems) != 1 {
				t.Errorf("%d problems, want 1: %v", len(refused.Problems), err)
			}
		})
	}
}

func TestStrict(t *testing.T) {
	files := gadgetFiles("g")
	// A near miss of a known annotation key, which are otherwise free.
	files["g/gadget.yaml"] = strings.Replace(definition, "columns.width", "columns.widht", 1)
	tree(t, files)
	res, _, err := build(t, "g", Options{Platforms: []string{"linux/amd64"}})
	if err != nil || len(res.Problems) != 1 {
		t.Fatalf("got %v, error %v; want one warning", res, err)
	}
	if _, _, err := build(t, "g", Options{Strict: true}); err == nil || !strings.Contains(err.Error(), "columns.widht") {
		t.Errorf("strict build says %v", err)
	}
}

func TestCompile(t *testing.T) {
	tree(t, gadgetFiles("g"))
	var stderr bytes.Buffer
	object, err := Compile(t.Context(), "g/program.bpf.c", "linux/arm64", Options{Stderr: &stderr})
	if err != nil || !bytes.HasPrefix(object, []byte("\x7fELF")) {
		t.Errorf("got %d bytes, error %v\n%s", len(object), err, &stderr)
	}
	for _, name := range []string{"g/none.c", "-o", "@x"} {
		if _, err := Compile(t.Context(), name, "linux/arm64", Options{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkBuildWarm(b *testing.B) {
	dir := b.TempDir()
	for name, text := range gadgetFiles("") {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	src, err := ResolveSource(dir, SourceOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Build(b.Context(), src, Options{}); err != nil {
			b.Fatal(fmt.Errorf("build: %w", err))
		}
	}
}

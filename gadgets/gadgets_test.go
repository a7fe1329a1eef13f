// Package gadgets_test compiles the shipped gadgets, loads them into the running
// kernel and looks at what they say of processes that it starts.
package gadgets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/builder"
	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/schemas"
)

// needRoot skips what only root can do. Continuous integration is root.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading eBPF programs needs root")
	}
}

// buildGadget builds a shipped gadget without a single complaint.
func buildGadget(t *testing.T, dir, clang string) (*schemas.Image, *schemas.Metadata) {
	t.Helper()
	src, err := builder.ResolveSource(dir, builder.SourceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	res, err := builder.Build(t.Context(), src, builder.Options{Stderr: &stderr, Strict: true, Clang: clang})
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	md, _, err := schemas.ParseMetadata("gadget.yaml", res.Image.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	return res.Image, md
}

// The verifier accepts every gadget, by every compiler, with every setting of its
// switches: each makes another program, as the kernel drops dead code.
func TestGadgetsLoad(t *testing.T) {
	needRoot(t)
	programs, err := filepath.Glob("*/program.bpf.c")
	if err != nil || len(programs) == 0 {
		t.Fatalf("no gadgets: %v", err)
	}
	for _, program := range programs {
		dir := filepath.Dir(program)
		for _, clang := range clangs() {
			t.Run(dir+"/"+filepath.Base(filepath.Dir(filepath.Dir(clang))), func(t *testing.T) {
				img, md := buildGadget(t, dir, clang)
				object := img.Platform("amd64").Layer(schemas.MediaTypeProgram).Data
				spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
				if err != nil {
					t.Fatal(err)
				}
				p, err := plan.New(object, md)
				if err != nil {
					t.Fatal(err)
				}
				checkDescribed(t, dir, p)
				leaveOut(t, p, spec)
				var switches []string
				if spec.Variables[plan.FilterSwitch] != nil {
					switches = append(switches, plan.FilterSwitch)
				}
				for _, param := range p.Params {
					if param.Type == "bool" {
						switches = append(switches, param.Variable)
					}
				}
				for bits := range 1 << len(switches) {
					loadWith(t, spec.Copy(), switches, bits)
				}
			})
		}
	}
}

// leaveOut removes programs that this kernel does not have, of those that gadget.yaml
// lets be missing. Guests have other kernels.
func leaveOut(t *testing.T, p *plan.Plan, spec *ebpf.CollectionSpec) {
	t.Helper()
	for _, prog := range p.Programs {
		if !prog.Optional && !slices.ContainsFunc(p.Groups, func(g plan.Group) bool { return slices.Contains(g.Programs, prog.Name) }) {
			continue
		}
		alone := spec.Copy()
		maps.DeleteFunc(alone.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return name != prog.Name })
		coll, err := ebpf.NewCollection(alone)
		var refused *ebpf.VerifierError
		switch {
		case err == nil:
			coll.Close()
		case errors.As(err, &refused) && len(refused.Log) > 0:
			t.Errorf("%+v", err)
		default:
			t.Logf("without %s: %v", prog.Name, err)
			delete(spec.Programs, prog.Name)
		}
	}
}

// checkDescribed finds what a user can see or set and nobody explains.
func checkDescribed(t *testing.T, dir string, p *plan.Plan) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Sources {
		for i := range s.Layout.Fields {
			if f := &s.Layout.Fields[i]; f.Description == "" {
				t.Errorf("field %s of %s has no description", f.Name, s.Name)
			}
		}
	}
	for _, param := range p.Params {
		if param.Description == "" {
			t.Errorf("--%s has no description", param.Key)
		}
		if !bytes.Contains(readme, []byte("--"+param.Key)) {
			t.Errorf("README.md says nothing of --%s", param.Key)
		}
	}
}

// loadWith loads a collection with each switch set as its bit says.
func loadWith(t *testing.T, spec *ebpf.CollectionSpec, switches []string, bits int) {
	t.Helper()
	var setting []string
	for i, name := range switches {
		on := bits>>i&1 == 1
		setting = append(setting, fmt.Sprintf("%s=%v", name, on))
		if err := spec.Variables[name].Set(on); err != nil {
			t.Fatal(err)
		}
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatalf("%s: %+v", strings.Join(setting, " "), err)
	}
	defer coll.Close()
	for name, prog := range coll.Programs {
		info, err := prog.Info()
		if err != nil {
			t.Fatal(err)
		}
		verified, _ := info.VerifiedInstructions()
		xlated, _ := info.TranslatedSize()
		t.Logf("%s %s: verified %d, %d after translation", name, strings.Join(setting, " "), verified, xlated/8)
		if verified > 100_000 {
			t.Errorf("%s: the verifier looked at %d instructions; start-up suffers", name, verified)
		}
	}
}

// trace runs a gadget on the whole machine while do runs, and returns the events
// that contain marker.
func trace(t *testing.T, dir, marker string, params map[string]string, do func()) []map[string]any {
	t.Helper()
	var events []map[string]any
	for line := range bytes.Lines(runWhile(t, dir, runner.Options{Params: params, Host: true}, do)) {
		if !bytes.Contains(line, []byte(marker)) {
			continue
		}
		var e map[string]any
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		events = append(events, e)
	}
	return events
}

// runWhile runs a gadget while do runs, and returns its events as JSON.
func runWhile(t *testing.T, dir string, o runner.Options, do func()) []byte {
	t.Helper()
	needRoot(t)
	img, md := buildGadget(t, dir, "")
	p, err := plan.New(img.Platform("amd64").Layer(schemas.MediaTypeProgram).Data, md)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o.Out = &out
	o.Encoder = func(s *plan.Source, env *event.Env) (event.Encoder, error) {
		return event.NewJSON(s.Layout, env, event.JSONOptions{}), nil
	}
	o.Ready = func() { do(); stop() }
	report, err := runner.Run(ctx, p, o)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("%+v (report %+v)", err, report)
	}
	gadgettest.CheckSchema(t, p.Sources[0].Layout, event.JSONOptions{}, out.Bytes())
	return out.Bytes()
}

// pick returns some of the fields, by dotted name.
func pick(e map[string]any, names ...string) map[string]any {
	out := map[string]any{}
	for _, name := range names {
		var v any = e
		for part := range strings.SplitSeq(name, ".") {
			m, _ := v.(map[string]any)
			v = m[part]
		}
		out[name] = v
	}
	return out
}

func TestTraceOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "here")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")
	deep := filepath.Join(dir, strings.Repeat("long-name/", 40))
	var fd int
	do := func() {
		var err error
		if fd, err = unix.Open(file, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o640); err != nil {
			t.Error(err)
		}
		defer unix.Close(fd)
		if n, err := unix.Openat2(unix.AT_FDCWD, link, &unix.OpenHow{Flags: unix.O_RDONLY}); err != nil {
			t.Error(err)
		} else {
			unix.Close(n)
		}
		if _, err := unix.Open(missing, unix.O_RDWR, 0o777); !errors.Is(err, unix.ENOENT) {
			t.Error(err)
		}
		_, _ = unix.Open(deep, unix.O_RDONLY, 0)
	}
	names := []string{"fname", "fpath", "flags", "mode", "mode_raw", "error", "error_raw", "proc.pid", "proc.parent.pid"}
	event := func(fname, fpath, flags, mode string, modeRaw float64, errName string, errno syscall.Errno) map[string]any {
		return map[string]any{
			"fname": fname, "fpath": fpath, "flags": flags, "mode": mode, "mode_raw": modeRaw,
			"error": errName, "error_raw": float64(errno),
			"proc.pid": float64(os.Getpid()), "proc.parent.pid": float64(os.Getppid()),
		}
	}
	failed := []map[string]any{
		event(missing, "", "O_RDWR", "----------", 0, "ENOENT", unix.ENOENT),
		event(deep[:255], "", "O_RDONLY", "----------", 0, "ENOENT", unix.ENOENT),
	}
	create := "O_WRONLY|O_CREAT|O_CLOEXEC"
	tests := []struct {
		name   string
		params map[string]string
		want   []map[string]any
	}{
		{"all", nil, append([]map[string]any{
			event(file, "", create, "-rw-r-----", 0o640, "", 0),
			event(link, "", "O_RDONLY", "----------", 0, "", 0),
		}, failed...)},
		{"paths", map[string]string{"paths": "true"}, append([]map[string]any{
			event(file, file, create, "-rw-r-----", 0o640, "", 0),
			event(link, file, "O_RDONLY", "----------", 0, "", 0),
		}, failed...)},
		{"failed", map[string]string{"failed": "true"}, failed},
		{"another process", map[string]string{"pid": "1"}, nil},
		{"this process", map[string]string{"pid": fmt.Sprint(os.Getpid()), "failed": "true"}, failed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []map[string]any
			for _, e := range trace(t, "trace_open", dir, tt.params, do) {
				if e["fname"] == file && e["fd"] != float64(fd) {
					t.Errorf("fd is %v, want %d", e["fd"], fd)
				}
				// O_LARGEFILE is what the C library of a 64-bit machine leaves out.
				e["flags"] = strings.Replace(e["flags"].(string), "|O_LARGEFILE", "", 1)
				got = append(got, pick(e, names...))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTraceExec(t *testing.T) {
	marker := fmt.Sprintf("marker-%d", os.Getpid())
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh -e\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	noexec := filepath.Join(dir, "noexec")
	if err := os.WriteFile(noexec, []byte("\x7fnot a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	many := []string{marker}
	for i := range 3000 {
		many = append(many, fmt.Sprintf("argument-%d", i))
	}
	huge := []string{marker}
	for range 12 {
		huge = append(huge, strings.Repeat("x", 100_000))
	}
	run := func(path string, args ...string) {
		cmd := exec.Command(path, args...)
		cmd.Dir = dir
		_ = cmd.Run()
	}
	do := func() {
		run("/bin/true", marker, "with space", "", "last")
		run("/bin/true", many...)
		run("/bin/true", huge...)
		run(script, marker)
		run(noexec, marker, "b")
		run(noexec, append([]string{marker}, many...)...)
	}
	realTrue, err := filepath.EvalSymlinks("/bin/true")
	if err != nil {
		t.Fatal(err)
	}
	realShell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	event := func(file, exe string, errno syscall.Errno, count int, truncated bool, args ...string) map[string]any {
		name := ""
		if errno != 0 {
			name = unix.ErrnoName(errno)
		}
		return map[string]any{
			"file": file, "exepath": exe, "cwd": dir, "error": name, "args_count": float64(count),
			"args_truncated": truncated, "args": strings.Join(args, " "), "proc.parent.pid": float64(os.Getpid()),
		}
	}
	succeeded := []map[string]any{
		event("/bin/true", realTrue, 0, 5, false, "/bin/true", marker, `"with space"`, `""`, "last"),
		event("/bin/true", realTrue, 0, 1+len(many), false, append([]string{"/bin/true"}, many...)...),
		event("/bin/true", realTrue, 0, 1+len(huge), false, append([]string{"/bin/true"}, huge...)...),
		event(script, realShell, 0, 4, false, "/bin/sh", "-e", script, marker),
	}
	all := append(succeeded[:len(succeeded):len(succeeded)],
		event(noexec, self, unix.ENOEXEC, 3, false, noexec, marker, "b"))

	names := []string{"file", "exepath", "cwd", "error", "args_count", "args_truncated", "args", "proc.parent.pid"}
	compare := func(t *testing.T, want, events []map[string]any) {
		t.Helper()
		var got []map[string]any
		for _, e := range events {
			got = append(got, pick(e, names...))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%.4000s", diff)
		}
	}
	t.Run("successful", func(t *testing.T) {
		events := trace(t, "trace_exec", marker, map[string]string{"paths": "true"}, do)
		compare(t, succeeded, events)
		for _, e := range events {
			if comm := e["proc"].(map[string]any)["comm"]; comm != "true" && comm != "script" {
				t.Errorf("comm is %v, not the new program's", comm)
			}
		}
	})
	t.Run("all", func(t *testing.T) {
		events := trace(t, "trace_exec", marker, map[string]string{"paths": "true", "ignore-failed": "false"}, do)
		if len(events) == 0 {
			t.Fatal("no events")
		}
		compare(t, all, events[:len(events)-1])
		// Of a failed execve with thousands of arguments the first are shown.
		last := events[len(events)-1]
		if n := last["args_count"].(float64); last["args_truncated"] != true || n < 256 || !strings.HasPrefix(last["args"].(string), noexec+" "+marker) {
			t.Errorf("truncated event has %v arguments: %.2000v", n, last)
		}
	})
	t.Run("without paths", func(t *testing.T) {
		for _, e := range trace(t, "trace_exec", marker, nil, do) {
			if e["cwd"] != "" || e["exepath"] != "" {
				t.Errorf("cwd %q, exepath %q", e["cwd"], e["exepath"])
			}
		}
	})
}

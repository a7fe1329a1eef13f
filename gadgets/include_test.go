package gadgets_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/builder"
)

// clangs returns the compilers on this machine. All of them must do; the newest
// is always there, or no test of this package can run.
func clangs() []string {
	var out []string
	for _, name := range []string{"clang", "clang-14", "clang-15", "clang-16", "clang-19"} {
		if path, err := exec.LookPath(name); err == nil {
			if real, err := filepath.EvalSymlinks(path); err == nil && !slices.Contains(out, real) {
				out = append(out, real)
			}
		}
	}
	return out
}

// compile compiles a file without a single complaint of clang's.
func compile(t *testing.T, file, platform, clang string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	object, err := builder.Compile(t.Context(), file, platform, builder.Options{Stderr: &stderr, Clang: clang})
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s for %s: %v\n%s", file, platform, err, &stderr)
	}
	return object
}

// Every header can be the only one that a source includes, after vmlinux.h and,
// if it makes sense there, after the UAPI headers.
func TestHeadersStandAlone(t *testing.T) {
	headers, err := filepath.Glob("include/gadget/*.h")
	if err != nil || len(headers) == 0 {
		t.Fatalf("no headers: %v", err)
	}
	const uapi = "#include <linux/bpf.h>\n#include <linux/if_ether.h>\n#include <linux/in.h>\n#include <linux/ip.h>\n#define GADGET_TYPE_NETWORKING\n"
	all := ""
	for _, header := range headers {
		name := filepath.Base(header)
		include := "#include <gadget/" + name + ">\n"
		all += include
		t.Run(name, func(t *testing.T) {
			compileText(t, include, "linux/amd64", "")
			if !slices.Contains([]string{"user_stack_map.h", "syscall.h"}, name) {
				compileText(t, uapi+include, "linux/amd64", "")
			}
		})
	}
	for _, platform := range builder.Platforms() {
		for _, clang := range clangs() {
			compileText(t, "#include <vmlinux.h>\n#define GADGET_TYPE_TRACING\n"+all, platform, clang)
		}
	}
}

func compileText(t *testing.T, text, platform, clang string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program.bpf.c")
	// Something must be left for BTF when all the header's functions are unused.
	text += "struct kept { int i; } kept;\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	compile(t, file, platform, clang)
}

func TestLayouts(t *testing.T) {
	for _, platform := range builder.Platforms() {
		compile(t, "testdata/layouts.bpf.c", platform, "")
	}
}

func TestDeclarations(t *testing.T) {
	want := []string{
		"gadget_param_verbose",
		"gadget_map_tracer_events",
		"gadget_tracer_stream___events___event",
		"gadget_iter_one___row___a",
		"gadget_iter_two___row___a___b",
		"gadget_iter_three___row___a___b___c",
		"gadget_iter_old___row___a",
		"gadget_mapiter_top___counts",
		"gadget_mapelem_iter_target_a___counts",
		"gadget_sk_prog_target_verdict___socks",
		"gadget_param_targ_pid", "gadget_param_targ_tid", "gadget_param_targ_uid",
		"gadget_param_targ_gid", "gadget_param_targ_comm",
		"gadget_param_collect_ustack", "gadget_param_collect_build_id", "gadget_param_collect_otel_stack",
		"gadget_param_ig_build_id_max_entries",
	}
	slices.Sort(want)
	for _, clang := range clangs() {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(clang))), func(t *testing.T) {
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(compile(t, "testdata/declarations.bpf.c", "linux/amd64", clang)))
			if err != nil {
				t.Fatal(err)
			}
			var got, funcs []string
			for typ, err := range spec.Types.All() {
				if err != nil {
					t.Fatal(err)
				}
				switch typ := typ.(type) {
				case *btf.Var:
					if ptr, ok := typ.Type.(*btf.Pointer); ok && typ.Linkage == btf.GlobalVar && strings.HasPrefix(typ.Name, "gadget_") {
						if c, ok := ptr.Target.(*btf.Const); !ok || c.Type.TypeName() != "" {
							t.Errorf("%s is %v, not const void *", typ.Name, typ.Type)
						}
						got = append(got, typ.Name)
					}
				case *btf.Func:
					if strings.HasPrefix(typ.Name, "gadget_pf_") {
						funcs = append(funcs, typ.Name)
						if n := len(typ.Type.(*btf.FuncProto).Params); n != 5 {
							t.Errorf("%s has %d parameters, want 5", typ.Name, n)
						}
					}
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("declarations (-want +got):\n%s", diff)
			}
			slices.Sort(funcs)
			if diff := cmp.Diff([]string{"gadget_pf_", "gadget_pf_second"}, funcs); diff != "" {
				t.Errorf("packet filters (-want +got):\n%s", diff)
			}
			for name, wantType := range map[string]ebpf.MapType{
				"events": ebpf.RingBuf, "events_lost_samples": ebpf.PerCPUArray, "gadget_heap": ebpf.PerCPUArray,
				"gadget_mntns_filter_map": ebpf.Hash, "gadget_sockets": ebpf.Hash, "bufs": ebpf.PerCPUArray,
				"ig_kstack": ebpf.StackTrace, "ig_ustack": ebpf.StackTrace, "ig_build_id": ebpf.Hash,
				"otel_generic_params": ebpf.PerCPUArray, "otel_tc_kprobe": ebpf.ProgramArray, "otel_tc_perf": ebpf.ProgramArray,
			} {
				if m := spec.Maps[name]; m == nil || m.Type != wantType {
					t.Errorf("map %s is %v, want %v", name, m, wantType)
				}
			}
		})
	}
}

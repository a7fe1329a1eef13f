package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// object compiles a program with this source.
func object(t *testing.T, source string) []byte {
	t.Helper()
	dir := t.TempDir()
	source = "#include <vmlinux.h>\n#include <bpf/bpf_helpers.h>\n" + source
	if err := os.WriteFile(filepath.Join(dir, "program.bpf.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	return gadgettest.Object(t, dir)
}

// TestPowersOf checks what programs could do, and where they say so.
func TestPowersOf(t *testing.T) {
	p, err := plan.New(object(t, `
extern int bpf_sock_destroy(struct sock_common *sock) __ksym;
extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern int some_module_function(int what) __ksym;

static __noinline int strike(void)
{
	return bpf_send_signal(9);
}

SEC("tp_btf/sys_enter") int deep(void *ctx)
{
	if (bpf_get_current_pid_tgid() == 1)
		return strike();
	return 0;
}
SEC("iter/tcp") int destroys(struct bpf_iter__tcp *ctx)
{
	if (ctx->sk_common)
		bpf_sock_destroy(ctx->sk_common);
	return 0;
}
SEC("raw_tp/x") int watches(void *ctx)
{
	char a[4];
	struct task_struct *task = bpf_task_from_pid(1);

	if (task)
		bpf_task_release(task);
	return bpf_probe_read_kernel(a, sizeof(a), ctx);
}
SEC("raw_tp/y") int unknown(void *ctx) { return some_module_function(3); }
SEC("raw_tp/z") int future(void *ctx) { return ((int (*)(void))250)(); }
SEC("raw_tp/gadget_program_disabled") int disabled(void *ctx) { return bpf_send_signal(9); }
SEC("lsm/file_open") int denies(void *ctx) { return 0; }
SEC("xdp") int drops(void *ctx) { return 0; }
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, prog := range p.Programs {
		asks := "watches"
		if len(prog.Changes()) > 0 {
			asks = "asks"
		}
		for _, power := range prog.Powers {
			got = append(got, fmt.Sprintf("%s %s: %s", prog.Name, asks, power))
		}
		if len(prog.Powers) == 0 {
			got = append(got, prog.Name+" "+asks)
		}
	}
	slices.Sort(got)
	want := []string{
		"deep asks: could send signals to processes: it calls bpf_send_signal at program.bpf.c:11",
		"denies watches: could deny what it watches",
		"destroys asks: could close connections: it calls bpf_sock_destroy at program.bpf.c:23",
		"disabled watches: could send signals to processes: it calls bpf_send_signal at program.bpf.c:37",
		"drops asks: could drop, change and redirect packets",
		"future asks: could do what this version of gadget knows nothing of: it calls helper 250 at program.bpf.c:36",
		"unknown asks: could do what this version of gadget knows nothing of: it calls some_module_function at program.bpf.c:35",
		"watches watches",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var calls []string
	for _, c := range p.Program("watches").Calls {
		calls = append(calls, c.Name)
	}
	if got := strings.Join(calls, " "); got != "bpf_probe_read_kernel bpf_task_from_pid bpf_task_release" {
		t.Errorf("watches calls %s", got)
	}
}

// TestNumberedKfunc checks that a call by a number of the object's own is not taken
// for the harmless function whose name stands beside it.
func TestNumberedKfunc(t *testing.T) {
	call := asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: 4711}
	spec := &ebpf.ProgramSpec{Type: ebpf.RawTracepoint, Instructions: asm.Instructions{call.WithReference("bpf_strlen"), asm.Return()}}
	got := plan.PowersOf(spec)
	if len(got) != 1 || got[0].Call != "function 4711 of the kernel" {
		t.Errorf("powers %v", got)
	}
	spec.Instructions[0].Constant = -1
	if got := plan.PowersOf(spec); len(got) != 0 {
		t.Errorf("powers %v of a function with that name", got)
	}
}

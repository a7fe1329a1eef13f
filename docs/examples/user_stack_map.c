#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <gadget/user_stack_map.h>

struct event {
	struct gadget_user_stack ustack;
};

struct event event;

SEC("uprobe/libc:malloc")
int example(struct pt_regs *ctx)
{
	gadget_get_user_stack(ctx, &event.ustack); /* empty unless --collect-ustack */
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/syscall.h>

SEC("raw_tp/sys_exit")
int example(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];

	if (gadget_in_compat_syscall() || GADGET_SYSCALL_NR(regs) != GADGET_NR_kill)
		return 0;
	bpf_printk("signal %d", (int)GADGET_SYSCALL_ARG1(regs));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

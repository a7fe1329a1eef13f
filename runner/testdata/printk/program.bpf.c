// SPDX-License-Identifier: GPL-2.0
// Prints at each call of one process.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	__u64 seq;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(printk, events, event);

const volatile __u32 target = 0;
GADGET_PARAM(target);
const volatile __u64 syscall_nr = 0;
GADGET_PARAM(syscall_nr);

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[1] == syscall_nr && bpf_get_current_pid_tgid() >> 32 == target)
		bpf_printk("call of process %d", target);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

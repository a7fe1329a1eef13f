// SPDX-License-Identifier: GPL-2.0
// A program at the tracepoint of bpf_printk, which it calls itself: the kernel
// skips it there.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include <gadget/buffer.h>
#include <gadget/macros.h>

struct event {
	__u64 seq;
};

GADGET_TRACER_MAP(events, 1024 * 64);
GADGET_TRACER(lines, events, event);

const volatile __u32 target = 0;
GADGET_PARAM(target);
const volatile __u64 syscall_nr = 0;
GADGET_PARAM(syscall_nr);

static bool targeted(void)
{
	return bpf_get_current_pid_tgid() >> 32 == target;
}

SEC("raw_tp/sys_enter")
int speak(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[1] == syscall_nr && targeted())
		bpf_printk("call");
	return 0;
}

SEC("tp_btf/bpf_trace_printk")
int recurse(__u64 *ctx)
{
	if (!targeted())
		return 0;

	struct event *event = gadget_reserve_buf(&events, sizeof(*event));

	if (!event)
		return 0;
	event->seq = 1;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	bpf_printk("again");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
// Like flood, by the first of several programs that this kernel has, beside one
// that no kernel has.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	gadget_timestamp timestamp_raw;
	__u64 seq;
	gadget_pid pid;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(alternatives, events, event);

const volatile __u32 target = 0;
GADGET_PARAM(target);
const volatile __u64 syscall_nr = 0;
GADGET_PARAM(syscall_nr);

__u64 seq;

static __always_inline int emit(void *ctx, __u64 nr)
{
	if (nr != syscall_nr || bpf_get_current_pid_tgid() >> 32 != target)
		return 0;

	__u64 n = __sync_fetch_and_add(&seq, 1);
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	event->seq = n;
	event->pid = target;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

SEC("fentry/no_such_function")
int by_fentry(__u64 *ctx)
{
	return emit(ctx, syscall_nr);
}

SEC("kprobe/no_such_function")
int by_kprobe(struct pt_regs *ctx)
{
	return emit(ctx, syscall_nr);
}

SEC("raw_tp/sys_enter")
int by_raw_tp(struct bpf_raw_tracepoint_args *ctx)
{
	return emit(ctx, ctx->args[1]);
}

/* Would count everything twice if it were used. */
SEC("tp_btf/sys_enter")
int by_tp_btf(__u64 *ctx)
{
	return emit(ctx, ctx[1]);
}

SEC("tracepoint/syscalls/sys_enter_teleport")
int bonus(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

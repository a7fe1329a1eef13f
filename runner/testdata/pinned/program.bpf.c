// SPDX-License-Identifier: GPL-2.0
// Counts calls in a map that outlives the run, and tells the count.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	__u64 seq;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(pinned, events, event);

const volatile __u32 target = 0;
GADGET_PARAM(target);
const volatile __u64 syscall_nr = 0;
GADGET_PARAM(syscall_nr);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} gadget_test_pinned SEC(".maps");

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 key = 0;

	if (ctx->args[1] != syscall_nr || bpf_get_current_pid_tgid() >> 32 != target)
		return 0;
	__u64 *calls = bpf_map_lookup_elem(&gadget_test_pinned, &key);
	if (!calls)
		return 0;
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->seq = __sync_fetch_and_add(calls, 1);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>

struct event {
	gadget_duration duration_raw;
	struct gadget_process proc;
	gadget_errno error_raw;
};

const volatile __u64 min_ns = 0;
GADGET_PARAM(min_ns);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, __u64);
} starts SEC(".maps");

GADGET_TRACER_MAP(events, 256 * 1024);
GADGET_TRACER(slowsync, events, event);

SEC("tracepoint/syscalls/sys_enter_fsync")
int fsync_begin(struct syscall_trace_enter *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	__u32 tid = bpf_get_current_pid_tgid();

	if (gadget_should_discard_data_current())
		return 0;
	bpf_map_update_elem(&starts, &tid, &now, BPF_ANY);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_fsync")
int fsync_end(struct syscall_trace_exit *ctx)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 *start = bpf_map_lookup_elem(&starts, &tid);

	if (!start)
		return 0;
	__u64 took = bpf_ktime_get_ns() - *start;
	bpf_map_delete_elem(&starts, &tid);
	if (took < min_ns)
		return 0;

	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->duration_raw = took;
	gadget_process_populate(&event->proc);
	event->error_raw = -ctx->ret;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

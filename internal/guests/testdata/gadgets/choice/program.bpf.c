// SPDX-License-Identifier: GPL-2.0
// One of many programs, of which each kernel has its own.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>

enum way { SESSION, MULTI, FENTRY, KPROBE, OLD };

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	enum way way_raw;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(opens, events, event);

static __always_inline int report(void *ctx, enum way way)
{
	struct event *event;

	if (gadget_should_discard_data_current())
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	event->way_raw = way;
	gadget_process_populate(&event->proc);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

SEC("kprobe.session/vfs_open")
int by_session(struct pt_regs *ctx)
{
	return report(ctx, SESSION);
}

SEC("fentry/vfs_open")
int by_fentry(__u64 *ctx)
{
	return report(ctx, FENTRY);
}

SEC("kprobe/vfs_open")
int by_kprobe(struct pt_regs *ctx)
{
	return report(ctx, KPROBE);
}

SEC("raw_tp/sys_enter")
int by_raw_tp(void *ctx)
{
	return report(ctx, OLD);
}

char LICENSE[] SEC("license") = "GPL";

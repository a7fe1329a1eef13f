// SPDX-License-Identifier: GPL-2.0
// A small tracer for the tests of the command line: every exec, by a raw
// tracepoint, which is fast to detach.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	__u32 ordinal;
};

const volatile __u32 step = 1;
GADGET_PARAM(step);

static __u32 last;

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(exec, events, event);

SEC("raw_tp/sched_process_exec")
int snoop_exec(void *ctx)
{
	struct event *event;

	if (gadget_should_discard_data_current())
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&event->proc);
	event->ordinal = __sync_fetch_and_add(&last, step);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

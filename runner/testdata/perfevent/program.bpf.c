// SPDX-License-Identifier: GPL-2.0
// Samples of what runs on each CPU, and of page faults, of one process.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

enum cause { CLOCK, FAULT };

struct event {
	gadget_pid pid;
	enum cause cause_raw;
	__u32 cpu;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(samples, events, event);

const volatile __u32 target = 0;
GADGET_PARAM(target);

static __always_inline int sample(struct bpf_perf_event_data *ctx, enum cause cause)
{
	if (bpf_get_current_pid_tgid() >> 32 != target)
		return 0;

	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->pid = target;
	event->cause_raw = cause;
	event->cpu = bpf_get_smp_processor_id();
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

SEC("perf_event/clock")
int on_clock(struct bpf_perf_event_data *ctx)
{
	return sample(ctx, CLOCK);
}

SEC("perf_event/faults")
int on_fault(struct bpf_perf_event_data *ctx)
{
	return sample(ctx, FAULT);
}

char LICENSE[] SEC("license") = "GPL";

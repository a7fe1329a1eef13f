// SPDX-License-Identifier: GPL-2.0
// Signals the process --pid at its next system call: a gadget that changes the system.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

#define SIGUSR1 10

struct event {
	__u32 pid;
	gadget_errno error_raw;
};

const volatile __u32 target = 0;
GADGET_PARAM(target);

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(signals, events, event);

static __noinline int strike(void)
{
	return bpf_send_signal(SIGUSR1);
}

SEC("raw_tp/sys_enter")
int kill_target(void *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct event *event;

	if (!target || pid != target)
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->pid = pid;
	event->error_raw = -strike();
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

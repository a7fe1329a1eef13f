// SPDX-License-Identifier: GPL-2.0
// Every exec of the program `floodme` makes more events at once than a small buffer
// holds.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

#define BURST 2000

struct event {
	gadget_comm comm[TASK_COMM_LEN];
	__u32 ordinal;
	__u8 weight[1000];
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(flood, events, event);

SEC("raw_tp/sched_process_exec")
int flood_exec(void *ctx)
{
	struct event *event;
	char comm[TASK_COMM_LEN];
	int i;

	bpf_get_current_comm(comm, sizeof(comm));
	if (bpf_strncmp(comm, 8, "floodme"))
		return 0;
	for (i = 0; i < BURST; i++) {
		event = gadget_reserve_buf(&events, sizeof(*event));
		if (!event)
			continue;
		__builtin_memcpy(event->comm, comm, sizeof(comm));
		event->ordinal = i;
		gadget_submit_buf(ctx, &events, event, sizeof(*event));
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

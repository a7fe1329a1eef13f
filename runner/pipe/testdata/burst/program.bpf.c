// SPDX-License-Identifier: GPL-2.0
// A ring full of events at once: each test run of the program writes BURST of
// them, shaped like those of trace_open.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/macros.h>
#include <gadget/types.h>

#define BURST 1000
#define PATH_LEN 255

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	gadget_errno error_raw;
	__s32 fd;
	gadget_file_flags flags_raw;
	gadget_file_mode mode_raw;
	char fname[PATH_LEN];
};

GADGET_TRACER_MAP(events, 16 << 20);
GADGET_TRACER(open, events, event);

SEC("raw_tp/sys_enter")
int burst(struct bpf_raw_tracepoint_args *ctx)
{
	for (int i = 0; i < BURST; i++) {
		struct event *event = gadget_reserve_buf(&events, sizeof(*event));

		if (!event)
			return 0;
		event->timestamp_raw = bpf_ktime_get_boot_ns();
		gadget_process_populate(&event->proc);
		event->error_raw = i % 3 == 0 ? 2 : 0;
		event->fd = i;
		event->flags_raw = 0x80000;
		event->mode_raw = 0644;
		__builtin_memcpy(event->fname, "/usr/share/zoneinfo/Etc/UTC", 28);
		gadget_submit_buf(ctx, &events, event, sizeof(*event));
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

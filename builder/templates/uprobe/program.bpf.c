// SPDX-License-Identifier: GPL-2.0
// mygadget: the host names that programs look up, from the C library.

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>

#define NAME_SIZE 128

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	char host[NAME_SIZE];
	char service[32];
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(mygadget, events, event);

// The section names a file and a function in it. A name without a slash is a
// library, found in each container by itself; a program has its path: /usr/bin/…
// SEC("uretprobe/…") runs when the function returns.
SEC("uprobe/libc:getaddrinfo")
int BPF_UPROBE(mygadget, const char *host, const char *service)
{
	if (gadget_should_discard_data_current())
		return 0;

	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&event->proc);

	// Arguments that are pointers point into the process. They may be NULL, and then
	// nothing is read: set the text to empty before.
	event->host[0] = 0;
	event->service[0] = 0;
	bpf_probe_read_user_str(event->host, sizeof(event->host), host);
	bpf_probe_read_user_str(event->service, sizeof(event->service), service);

	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

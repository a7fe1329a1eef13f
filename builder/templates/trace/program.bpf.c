// SPDX-License-Identifier: GPL-2.0
// mygadget: one event for each file that a process removes.

// The kernel's types, and the functions that every program needs.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

// Reserving and submitting events, filters, and the types that gadget understands:
// a field of type gadget_errno is shown as ENOENT, one of gadget_timestamp as a time.
#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>

#define NAME_SIZE 128

// What an event looks like. Every member becomes a field; gadget.yaml describes them.
struct event {
	gadget_timestamp timestamp_raw;
	// Who did it: name, ids, user, parent, and the mount namespace by which gadget
	// finds the container.
	struct gadget_process proc;
	char name[NAME_SIZE];
	__u32 flags;
};

// A ring buffer for the events, and the data source that comes out of it.
GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(mygadget, events, event);

// A parameter: gadget run mygadget --directories shows directories, too.
const volatile bool directories = false;
GADGET_PARAM(directories);

// Where the program attaches. bpftrace -l 'tracepoint:syscalls:*unlink*' finds such
// names; their arguments are in /sys/kernel/tracing/events/…/format.
SEC("tracepoint/syscalls/sys_enter_unlinkat")
int mygadget(struct syscall_trace_enter *ctx)
{
	// First leave out what nobody asked for: other containers, --pid, --comm, …
	if (gadget_should_discard_data_current())
		return 0;
	__u32 flags = ctx->args[2];
	if (!directories && (flags & 0x200)) // AT_REMOVEDIR
		return 0;

	// Then take room in the ring buffer. It may be full: gadget counts what is lost.
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;

	event->timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&event->proc);
	event->flags = flags;
	// The name lies in the process's memory, which only a helper may read.
	bpf_probe_read_user_str(event->name, sizeof(event->name), (const void *)ctx->args[1]);

	// From here on the event belongs to user space.
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

// Most helpers are for programs under the GPL only.
char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
// A kind of program that can do more than watch.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	__u64 value;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(notpermitted, events, event);

SEC("fmod_ret/bpf_modify_return_test")
int never(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

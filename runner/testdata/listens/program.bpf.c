// SPDX-License-Identifier: GPL-2.0
// Sockets that begin to listen, of which an event tells only the network namespace.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	gadget_timestamp timestamp_raw;
	gadget_netns_id netns;
	__u32 port;
};

GADGET_TRACER_MAP(events, 256 * 1024);
GADGET_TRACER(listens, events, event);

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(state, const struct sock *sk, int old, int new)
{
	struct event *event;

	if (new != TCP_LISTEN)
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	event->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	event->port = sk->__sk_common.skc_num;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

/* A networking gadget as they are usually written: UAPI headers, packets, their owners. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define GADGET_TYPE_NETWORKING
#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/packetfilter.h>
#include <gadget/sockets-map.h>
#include <gadget/types.h>

struct packet {
	gadget_timestamp timestamp_raw;
	gadget_netns_id netns_id;
	struct gadget_process proc;
	struct gadget_l4endpoint_t src;
	char cwd[64];
};

GADGET_TRACER_MAP(events, 4096);
GADGET_TRACER(packets, events, packet);

static __always_inline int handle(struct __sk_buff *skb, struct gadget_socket_value *owner)
{
	struct packet *p;

	if (gadget_should_discard_data_by_skb(owner))
		return 0;
	p = gadget_reserve_buf(&events, sizeof(*p));
	if (!p)
		return 0;
	__builtin_memset(p, 0, sizeof(*p));
	p->timestamp_raw = bpf_ktime_get_boot_ns();
	p->netns_id = skb->cb[0];
	gadget_process_populate_from_socket(owner, &p->proc);
	if (owner && bpf_core_field_exists(owner->cwd))
		bpf_probe_read_kernel_str(p->cwd, sizeof(p->cwd), owner->cwd);
	p->src.port = skb->ifindex;
	p->src.proto_raw = IPPROTO_UDP;
	p->src.version = 4;
	gadget_submit_buf(skb, &events, p, sizeof(*p));
	return 0;
}

SEC("socket1") int filter(struct __sk_buff *skb)
{
	return handle(skb, gadget_socket_lookup(skb));
}

GADGET_PF();

SEC("classifier/egress/main") int egress(struct __sk_buff *skb)
{
	if (gadget_pf_matches(skb, (long)skb->data, (long)skb->data_end))
		handle(skb, gadget_socket_lookup_with_direction(skb, 0));
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Which process a packet belongs to. User space keeps the map of all sockets; a
 * gadget declares what it is and asks:
 *
 *	#define GADGET_TYPE_NETWORKING   packets, in a socket filter or at tc
 *	#define GADGET_TYPE_TRACING      struct sock *, anywhere else
 *	#include <gadget/sockets-map.h>
 */
#ifndef GADGET_SOCKETS_MAP_H
#define GADGET_SOCKETS_MAP_H

#include <gadget/kernel.h>
#include <gadget/types.h>

#include <bpf/bpf_endian.h>

#define __GADGET_AF_INET 2
#define __GADGET_AF_INET6 10
#define __GADGET_IPPROTO_TCP 6
#define __GADGET_IPPROTO_UDP 17

/* The loader sets the size of the value to what its sockets have. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct gadget_socket_key);
	__type(value, struct gadget_socket_value);
} gadget_sockets SEC(".maps");

/* An IPv6 socket that is not IPv6-only owns IPv4 packets too. */
static __always_inline struct gadget_socket_value *
__gadget_socket_find(struct gadget_socket_key *key)
{
	struct gadget_socket_value *owner = bpf_map_lookup_elem(&gadget_sockets, key);

	if (owner || key->family != __GADGET_AF_INET)
		return owner;
	key->family = __GADGET_AF_INET6;
	owner = bpf_map_lookup_elem(&gadget_sockets, key);
	return owner && owner->ipv6only == 0 ? owner : 0;
}

#ifdef GADGET_TYPE_NETWORKING

/* Offsets in Ethernet, IPv4 and IPv6 headers. */
#define __GADGET_ETH_PROTO 12
#define __GADGET_ETH_LEN 14
#define __GADGET_IP4_PROTO 9
#define __GADGET_IP6_NEXT 6
#define __GADGET_IP6_LEN 40
/* Extension headers of IPv6 that are looked through. */
#define __GADGET_IP6_EXTENSIONS 6

/* Finds protocol and port header of an IPv4 packet; the offset, or -1. */
static __always_inline int __gadget_parse_ip4(const struct __sk_buff *skb, __u8 *proto)
{
	__u8 version_len;

	if (bpf_skb_load_bytes(skb, __GADGET_ETH_LEN, &version_len, sizeof(version_len)) ||
	    bpf_skb_load_bytes(skb, __GADGET_ETH_LEN + __GADGET_IP4_PROTO, proto, sizeof(*proto)))
		return -1;
	return __GADGET_ETH_LEN + (version_len & 0xf) * 4;
}

/* The same for IPv6, past hop-by-hop, routing, fragment, authentication and options. */
static __always_inline int __gadget_parse_ip6(const struct __sk_buff *skb, __u8 *proto)
{
	int off = __GADGET_ETH_LEN + __GADGET_IP6_LEN;
	__u8 next, head[2];

	if (bpf_skb_load_bytes(skb, __GADGET_ETH_LEN + __GADGET_IP6_NEXT, &next, sizeof(next)))
		return -1;
	for (int i = 0; i < __GADGET_IP6_EXTENSIONS; i++) {
		if (next != 0 && next != 43 && next != 44 && next != 51 && next != 60)
			break;
		if (bpf_skb_load_bytes(skb, off, head, sizeof(head)))
			return -1;
		if (next == 44)
			off += 8;
		else if (next == 51)
			off += (head[1] + 2) * 4;
		else
			off += (head[1] + 1) * 8;
		next = head[0];
	}
	*proto = next;
	return off;
}

/* The owner of a packet, NULL when it is not TCP or UDP or nobody's. */
static __always_inline struct gadget_socket_value *
gadget_socket_lookup_with_direction(const struct __sk_buff *skb, __u8 is_ingress)
{
	struct gadget_socket_key key;
	__be16 ethertype, port;
	int off;

	/* All bytes of a map key count, the padding too. */
	__builtin_memset(&key, 0, sizeof(key));
	/* Set by the dispatcher, as programs in a packet's way cannot see its namespace. */
	key.netns = skb->cb[0];

	if (bpf_skb_load_bytes(skb, __GADGET_ETH_PROTO, &ethertype, sizeof(ethertype)))
		return 0;
	if (ethertype == bpf_htons(0x0800)) {
		key.family = __GADGET_AF_INET;
		off = __gadget_parse_ip4(skb, &key.proto);
	} else if (ethertype == bpf_htons(0x86dd)) {
		key.family = __GADGET_AF_INET6;
		off = __gadget_parse_ip6(skb, &key.proto);
	} else {
		return 0;
	}
	if (off < 0 || (key.proto != __GADGET_IPPROTO_TCP && key.proto != __GADGET_IPPROTO_UDP))
		return 0;

	/* Source and destination port come first in both. */
	if (bpf_skb_load_bytes(skb, off + (is_ingress ? 2 : 0), &port, sizeof(port)))
		return 0;
	key.port = bpf_ntohs(port);
	return __gadget_socket_find(&key);
}

/* The same, where the packet itself says whether it came for this host (PACKET_HOST). */
static __always_inline struct gadget_socket_value *gadget_socket_lookup(const struct __sk_buff *skb)
{
	return gadget_socket_lookup_with_direction(skb, skb->pkt_type == 0);
}

#endif /* GADGET_TYPE_NETWORKING */

#ifdef GADGET_TYPE_TRACING

/* The owner of a socket in a network namespace, by its local port. */
static __always_inline struct gadget_socket_value *gadget_socket_lookup(const struct sock *sk,
									__u32 netns)
{
	struct inet_sock *inet = (void *)sk;
	struct gadget_socket_key key;
	__be16 port;

	__builtin_memset(&key, 0, sizeof(key));
	key.netns = netns;
	key.family = BPF_CORE_READ(sk, __sk_common.skc_family);
	key.proto = BPF_CORE_READ_BITFIELD_PROBED(sk, sk_protocol);
	bpf_core_read(&port, sizeof(port), &inet->inet_sport);
	key.port = bpf_ntohs(port);
	return __gadget_socket_find(&key);
}

#endif /* GADGET_TYPE_TRACING */

/* Fills p from the owner of a socket, with zeros when there is none. */
static __always_inline void gadget_process_populate_from_socket(struct gadget_socket_value *owner,
								struct gadget_process *p)
{
	__builtin_memset(p, 0, sizeof(*p));
	if (!owner)
		return;
	p->mntns_id = owner->mntns;
	p->pid = owner->pid_tgid >> 32;
	p->tid = (__u32)owner->pid_tgid;
	p->creds.uid = (__u32)owner->uid_gid;
	p->creds.gid = owner->uid_gid >> 32;
	p->parent.pid = owner->ppid;
	p->parent.tid = owner->ptid;
	__builtin_memcpy(p->comm, owner->task, sizeof(p->comm));
	__builtin_memcpy(p->parent.comm, owner->ptask, sizeof(p->parent.comm));
}

#endif /* GADGET_SOCKETS_MAP_H */

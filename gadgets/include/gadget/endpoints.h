/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The two ends of a connection: fills struct gadget_l4endpoint_t from a socket of the kernel. */
#ifndef GADGET_ENDPOINTS_H
#define GADGET_ENDPOINTS_H

#include <gadget/kernel.h>
#include <gadget/types.h>

#ifdef __VMLINUX_H__

#include <bpf/bpf_endian.h>

#define __GADGET_ENDPOINT_INET 2
#define __GADGET_ENDPOINT_INET6 10

/* An IPv4 address in an IPv6 socket, ::ffff:192.0.2.1. */
static __always_inline bool __gadget_is_mapped(const union gadget_ip_addr_t *addr)
{
	const __u32 *words = (const __u32 *)addr->v6;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

static __always_inline void __gadget_unmap(union gadget_ip_addr_t *addr)
{
	__u32 *words = (__u32 *)addr->v6;

	words[0] = words[3];
	words[1] = words[2] = words[3] = 0;
}

/*
 * Fills both ends, which must be zero, of any socket: also of one that is not
 * whole yet or any more (NEW_SYN_RECV, TIME_WAIT), of which no more than struct
 * sock_common is there. An IPv6 socket that speaks IPv4 has ends of version 4, as
 * the packets have. False when it is no socket of IP.
 */
static __always_inline bool gadget_endpoints_from_socket(struct gadget_l4endpoint_t *local,
							 struct gadget_l4endpoint_t *remote,
							 const struct sock_common *sk, __u16 proto)
{
	__u8 version = 4;

	switch (BPF_CORE_READ(sk, skc_family)) {
	case __GADGET_ENDPOINT_INET:
		local->addr_raw.v4 = BPF_CORE_READ(sk, skc_rcv_saddr);
		remote->addr_raw.v4 = BPF_CORE_READ(sk, skc_daddr);
		break;
	case __GADGET_ENDPOINT_INET6:
		BPF_CORE_READ_INTO(&local->addr_raw.v6, sk, skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&remote->addr_raw.v6, sk, skc_v6_daddr);
		if (!__gadget_is_mapped(&local->addr_raw) &&
		    !__gadget_is_mapped(&remote->addr_raw)) {
			version = 6;
			break;
		}
		__gadget_unmap(&local->addr_raw);
		__gadget_unmap(&remote->addr_raw);
		break;
	default:
		return false;
	}
	local->port = BPF_CORE_READ(sk, skc_num);
	remote->port = bpf_ntohs(BPF_CORE_READ(sk, skc_dport));
	local->proto_raw = remote->proto_raw = proto;
	local->version = remote->version = version;
	return true;
}

#endif /* __VMLINUX_H__ */

#endif /* GADGET_ENDPOINTS_H */

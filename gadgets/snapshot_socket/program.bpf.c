// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The TCP and UDP sockets of the network namespace in which the iterators are opened. */
/* What a driver calls by the name of a state must not keep us from using it. */
#define CLOSE vmlinux_CLOSE
#include <vmlinux.h>
#undef CLOSE
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include <gadget/endpoints.h>
#include <gadget/macros.h>
#include <gadget/types.h>

/* States of include/net/tcp_states.h, which UDP shares. */
enum gadget_socket_state {
	ESTABLISHED = 1,
	SYN_SENT,
	SYN_RECV,
	FIN_WAIT1,
	FIN_WAIT2,
	TIME_WAIT,
	CLOSE,
	CLOSE_WAIT,
	LAST_ACK,
	LISTEN,
	CLOSING,
	NEW_SYN_RECV,
};

struct socket_entry {
	struct gadget_l4endpoint_t src;
	struct gadget_l4endpoint_t dst;
	enum gadget_socket_state state_raw;
	gadget_netns_id netns;
	gadget_uid uid;
	__u64 ino;
};

GADGET_ITER(sockets, socket_entry, gadget_tcp, gadget_udp);

/* What all sockets have. */
static __always_inline bool fill(struct socket_entry *row, struct sock_common *sk, __u16 proto)
{
	row->state_raw = sk->skc_state;
	row->netns = BPF_CORE_READ(sk, skc_net.net, ns.inum);
	return gadget_endpoints_from_socket(&row->src, &row->dst, sk, proto);
}

/* The inode that /proc/PID/fd shows; 0 when no process has the socket any more. */
static __always_inline __u64 inode_of(struct sock *sk)
{
	struct socket *socket = BPF_CORE_READ(sk, sk_socket);
	struct socket_alloc *alloc;

	if (!socket)
		return 0;
	alloc = (void *)socket - bpf_core_field_offset(struct socket_alloc, socket);
	return BPF_CORE_READ(alloc, vfs_inode.i_ino);
}

SEC("iter/tcp")
int gadget_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct socket_entry row = {};

	/* After the last socket there is a call without one. */
	if (!sk || !fill(&row, sk, IPPROTO_TCP))
		return 0;
	row.uid = ctx->uid;
	/* These are structs of their own, of which only the beginning is a socket's. */
	if (row.state_raw != TIME_WAIT && row.state_raw != NEW_SYN_RECV)
		row.ino = inode_of((struct sock *)sk);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

SEC("iter/udp")
int gadget_udp(struct bpf_iter__udp *ctx)
{
	struct sock *sk = (struct sock *)ctx->udp_sk;
	struct socket_entry row = {};

	if (!sk || !fill(&row, &sk->__sk_common, IPPROTO_UDP))
		return 0;
	row.uid = ctx->uid;
	row.ino = inode_of(sk);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Bytes that threads send and receive over TCP, by connection.
 *
 * What counts is what a call has done: that is known at its end only. There are
 * three ways to be there, of which gadget.yaml takes the first that the kernel has:
 *
 *	tracepoint	sock_send_length, sock_recv_length (6.3), for whatever is below a socket
 *	fexit		of the functions of TCP, with their arguments and their result
 *	kprobe		at their beginning, and what the socket has got further since then
 *
 * The tracepoints do not see splice() from a socket, nor sendfile() before 6.5.
 * Where fexit exists it sees those, in functions that the others never call.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

#include <gadget/endpoints.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>

/* Flags of recv() whose result is not taken out of the stream. */
#define MSG_PEEK 0x2
#define MSG_ERRQUEUE 0x2000

/* Arguments of tcp_recvmsg() since 5.19: nonblock, which came before flags, is gone. */
#define RECVMSG_ARGS 5

struct connection {
	gadget_pid pid;
	gadget_tid tid;
	gadget_mntns_id mntns_id;
	struct gadget_l4endpoint_t src;
	struct gadget_l4endpoint_t dst;
	gadget_comm comm[TASK_COMM_LEN];
	gadget_netns_id netns;
};

struct traffic {
	gadget_bytes sent_raw;
	gadget_bytes received_raw;
};

const volatile __u32 family = 0;
const volatile __u32 traffic_max_entries = 16384;

GADGET_PARAM(family);
GADGET_PARAM(traffic_max_entries);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct connection);
	__type(value, struct traffic);
} traffic SEC(".maps");

GADGET_MAPITER(tcp, traffic);

/* Calls for whose connection the map has no room. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} traffic_lost_samples SEC(".maps");

/* What a thread was about to do with a socket, and how far it had been read then. */
struct call {
	struct sock *sk;
	__u32 copied_seq;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline void count_lost(void)
{
	__u32 zero = 0;
	__u64 *lost = bpf_map_lookup_elem(&traffic_lost_samples, &zero);

	if (lost)
		(*lost)++;
}

/* False for a connection that is not to be shown. */
static __always_inline bool identify(struct connection *c, struct sock *sk)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();

	if (!gadget_endpoints_from_socket(&c->src, &c->dst, &sk->__sk_common,
					  BPF_CORE_READ(sk, sk_protocol)) ||
	    (family && family != c->src.version))
		return false;
	/* Unlike skc_num it stays when the connection is over and what came is still read. */
	c->src.port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	c->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	c->pid = pid_tgid >> 32;
	c->tid = (__u32)pid_tgid;
	c->mntns_id = gadget_get_current_mntns_id();
	bpf_get_current_comm(c->comm, sizeof(c->comm));
	return true;
}

static __always_inline int count(struct sock *sk, __s64 bytes, bool sent)
{
	struct traffic fresh = {}, *t;
	struct connection c;

	if (bytes <= 0 || gadget_should_discard_data_current())
		return 0;
	/* The bytes between its members belong to the key too. */
	__builtin_memset(&c, 0, sizeof(c));
	if (!identify(&c, sk))
		return 0;
	if (sent)
		fresh.sent_raw = bytes;
	else
		fresh.received_raw = bytes;
	/* User space may take an entry away at any moment. */
	for (int i = 0; i < 2; i++) {
		t = bpf_map_lookup_elem(&traffic, &c);
		if (t) {
			__sync_fetch_and_add(sent ? &t->sent_raw : &t->received_raw, bytes);
			return 0;
		}
		if (!bpf_map_update_elem(&traffic, &c, &fresh, BPF_NOEXIST))
			return 0;
	}
	count_lost();
	return 0;
}

/*
 * While a program of this type is preempted the kernel skips it for all others on
 * that processor: it must not be.
 */
static __always_inline int count_at_once(struct sock *sk, __s64 bytes, bool sent)
{
	if (bpf_ksym_exists(bpf_preempt_disable))
		bpf_preempt_disable();
	count(sk, bytes, sent);
	if (bpf_ksym_exists(bpf_preempt_disable))
		bpf_preempt_enable();
	return 0;
}

static __always_inline bool is_tcp(struct sock *sk)
{
	__u16 protocol = sk->sk_protocol;

	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

SEC("tp_btf/sock_send_length")
int BPF_PROG(sent_tracepoint, struct sock *sk, int ret)
{
	return is_tcp(sk) ? count_at_once(sk, ret, true) : 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(received_tracepoint, struct sock *sk, int ret, int flags)
{
	if (flags & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	return is_tcp(sk) ? count_at_once(sk, ret, false) : 0;
}

SEC("fexit/tcp_sendmsg")
int BPF_PROG(sent_fexit, struct sock *sk, struct msghdr *msg, size_t size, int ret)
{
	return count_at_once(sk, ret, true);
}

/* Until 6.4. */
SEC("fexit/tcp_sendpage")
int BPF_PROG(sent_page, struct sock *sk, struct page *page, int offset, size_t size, int flags,
	     int ret)
{
	return count_at_once(sk, ret, true);
}

SEC("fexit/tcp_recvmsg")
int received_fexit(__u64 *ctx)
{
	int flags = ctx[4], ret;

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_func_ret)) {
		__u64 result = 0;

		if (bpf_get_func_arg_cnt(ctx) == RECVMSG_ARGS)
			flags = ctx[3];
		bpf_get_func_ret(ctx, &result);
		ret = result;
	} else {
		ret = ctx[6];
	}
	if (flags & (MSG_PEEK | MSG_ERRQUEUE))
		return 0;
	return count_at_once((struct sock *)ctx[0], ret, false);
}

SEC("fexit/tcp_splice_read")
int BPF_PROG(received_splice, struct socket *socket, loff_t *offset, struct pipe_inode_info *pipe,
	     size_t len, unsigned int flags, __s64 ret)
{
	return count_at_once(socket->sk, ret, false);
}

static __always_inline int enter(struct sock *sk)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call call = {.sk = sk};

	if (gadget_should_discard_data_current())
		return 0;
	call.copied_seq = BPF_CORE_READ((struct tcp_sock *)sk, copied_seq);
	if (bpf_map_update_elem(&calls, &tid, &call, BPF_ANY))
		count_lost();
	return 0;
}

static __always_inline int leave(int ret)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&calls, &tid);

	return call ? count(call->sk, ret, true) : 0;
}

SEC("kprobe/tcp_sendmsg")
int BPF_KPROBE(enter_sendmsg, struct sock *sk)
{
	return enter(sk);
}

SEC("kretprobe/tcp_sendmsg")
int BPF_KRETPROBE(sent_kretprobe, int ret)
{
	return leave(ret);
}

SEC("kprobe/tcp_sendpage")
int BPF_KPROBE(enter_sendpage, struct sock *sk)
{
	return enter(sk);
}

SEC("kretprobe/tcp_sendpage")
int BPF_KRETPROBE(sent_page_kretprobe, int ret)
{
	return leave(ret);
}

SEC("kprobe/tcp_recvmsg")
int BPF_KPROBE(enter_recvmsg, struct sock *sk)
{
	return enter(sk);
}

SEC("kprobe/tcp_splice_read")
int BPF_KPROBE(enter_splice, struct socket *socket)
{
	return enter(BPF_CORE_READ(socket, sk));
}

/*
 * Called each time that a thread has read something and taken it out of the stream.
 * Many threads wait in tcp_recvmsg(), and the kernel can tell the end of a function
 * by kretprobe for a few at a time only.
 */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(received_adjust, struct sock *sk)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&calls, &tid);
	__u32 now, before;

	if (!call || call->sk != sk)
		return 0;
	before = call->copied_seq;
	now = BPF_CORE_READ((struct tcp_sock *)sk, copied_seq);
	call->copied_seq = now;
	return count_at_once(sk, (__u32)(now - before), false);
}

char LICENSE[] SEC("license") = "GPL";

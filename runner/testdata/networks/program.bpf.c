// SPDX-License-Identifier: GPL-2.0
// Sockets of each network namespace, which their rows do not tell.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include <gadget/macros.h>

enum kind {
	tcp = 1,
	local,
	netlink,
};

struct row {
	enum kind kind_raw;
	__u64 ino;
};

GADGET_ITER(sockets, row, each_tcp, each_unix, each_netlink);

static __always_inline int write_row(struct seq_file *seq, enum kind kind, struct sock *sk)
{
	struct socket_alloc *alloc = (void *)BPF_CORE_READ(sk, sk_socket);
	struct row row = {.kind_raw = kind};

	if (!alloc)
		return 0;
	row.ino = BPF_CORE_READ(alloc, vfs_inode.i_ino);
	bpf_seq_write(seq, &row, sizeof(row));
	return 0;
}

SEC("iter/tcp")
int each_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;

	if (!sk || sk->skc_state != TCP_LISTEN)
		return 0;
	return write_row(ctx->meta->seq, tcp, (struct sock *)sk);
}

SEC("iter/unix")
int each_unix(struct bpf_iter__unix *ctx)
{
	struct unix_sock *sk = ctx->unix_sk;

	if (!sk)
		return 0;
	return write_row(ctx->meta->seq, local, (struct sock *)sk);
}

SEC("iter/netlink")
int each_netlink(struct bpf_iter__netlink *ctx)
{
	struct netlink_sock *sk = ctx->sk;

	if (!sk)
		return 0;
	return write_row(ctx->meta->seq, netlink, (struct sock *)sk);
}

char LICENSE[] SEC("license") = "GPL";

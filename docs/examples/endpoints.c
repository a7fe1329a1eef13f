#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/endpoints.h>

struct row {
	struct gadget_l4endpoint_t src;
	struct gadget_l4endpoint_t dst;
};

SEC("iter/tcp")
int each_socket(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct row row = {};

	if (sk && gadget_endpoints_from_socket(&row.src, &row.dst, sk, IPPROTO_TCP))
		bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

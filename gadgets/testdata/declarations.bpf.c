/* One use of every declaration: the names that come of them are what loaders read. */
#include <vmlinux.h>
#include <gadget/buffer.h>
#include <gadget/filter.h>
#include <gadget/kernel_stack_map.h>
#include <gadget/macros.h>
#include <gadget/packetfilter.h>
#include <gadget/sockets-map.h>
#include <gadget/types.h>
#include <gadget/user_stack_map.h>
#include <gadget/filesystem.h>

struct event {
	gadget_timestamp timestamp_raw;
};

struct row {
	__u32 n;
};

const volatile bool verbose = false;

GADGET_PARAM(verbose);
GADGET_TRACER_MAP(events, 4096);
GADGET_TRACER(stream, events, event);
GADGET_ITER(one, row, a);
GADGET_ITER(two, row, a, b);
GADGET_ITER(three, row, a, b, c);
GADGET_SNAPSHOTTER(old, row, a);
GADGET_MAPITER(top, counts);
GADGET_ITER_TARGET_MAP(a, counts);
GADGET_SK_TARGET_MAP(verdict, socks);
GADGET_PF();
GADGET_PF(second);

SEC("classifier/ingress/main") int ingress(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	return gadget_pf_matches(skb, data, end) || gadget_pf_matches(second, skb, data, end);
}

/* Every function of the headers compiles in some program. */
SEC("kprobe/do_nothing") int everything(struct pt_regs *ctx)
{
	struct gadget_user_stack stack;
	char path[64];

	gadget_get_user_stack(ctx, &stack);
	read_full_path_of_open_file_fd(1, path, sizeof(path));
	return gadget_get_kernel_stack(ctx) + stack.stack_id + path[0];
}

char LICENSE[] SEC("license") = "GPL";

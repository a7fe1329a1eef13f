/* The functions of the headers that the shipped gadgets do not call, in programs that load. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define GADGET_TYPE_TRACING
#include <gadget/bits.bpf.h>
#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/core_fixes.bpf.h>
#include <gadget/fnv1a.h>
#include <gadget/kernel_stack_map.h>
#include <gadget/maps.bpf.h>
#include <gadget/mntns.h>
#include <gadget/sockets-map.h>
#include <gadget/syscall.h>
#include <gadget/user_stack_map.h>

struct event {
	__u64 numbers[16];
	struct gadget_process proc;
	struct gadget_user_stack ustack;
};

GADGET_TRACER_MAP(events, 4096);
GADGET_TRACER(all, events, event);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline void numbers(__u64 *n)
{
	__u32 hash32 = fnv_32a_init(), key = 1;
	__u64 hash64 = fnv_64a_init(), zero = 0, *count;

	fnv_32a_update_u8(&hash32, 'a');
	fnv_64a_update_u8(&hash64, 'a');
	n[0] = hash32;
	n[1] = hash64;
	fnv_32a_update_u32(&hash32, 0x64636261);
	fnv_64a_update_u64(&hash64, 0x6867666564636261ULL);
	n[2] = hash32;
	n[3] = hash64;
	n[4] = get_slot_idx(0) << 24 | get_slot_idx(1) << 16 | get_slot_idx(255) << 8 |
	       get_slot_idx(256);
	n[5] = get_slot_idx(1ULL << 63) << 8 | log2(65535);
	count = bpf_map_lookup_or_try_init(&counts, &key, &zero);
	if (count)
		n[6] = ++*count;
	n[7] = gadget_get_current_mntns_id();
	n[8] = get_task_state((void *)bpf_get_current_task());
	n[9] = has_kfree() << 3 | has_kmem_cache_free() << 2 | has_block_rq_completion() << 1 |
	       renamedata_has_new_mnt_idmap_field();
}

SEC("tp_btf/sys_exit")
int BPF_PROG(use_all, struct pt_regs *regs, long ret)
{
	struct event *event;

	if (gadget_get_syscall_nr(regs) != 39 /* getpid */)
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	numbers(event->numbers);
	event->numbers[10] = gadget_get_syscall_arg1(regs);
	event->numbers[11] = gadget_get_kernel_stack(ctx);
	event->numbers[12] = gadget_current_syscall_nr();
	gadget_process_populate(&event->proc);
	gadget_get_user_stack(ctx, &event->ustack);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

SEC("kprobe/tcp_connect")
int BPF_KPROBE(connect, struct sock *sk)
{
	struct gadget_socket_value *owner =
		gadget_socket_lookup(sk, BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum));
	struct gadget_user_stack ustack;
	__u64 sum;

	gadget_get_user_stack(ctx, &ustack);
	sum = ustack.inode + (owner ? owner->mntns : 0);
	gadget_output_buf(ctx, &events, &sum, sizeof(sum));
	return 0;
}

SEC("raw_tp/tcp_retransmit_skb") int retransmit(void *ctx)
{
	__u64 sum = (__u64)gadget_get_tcp_retransmit_skb_skaddr(ctx) +
		    (__u64)gadget_get_tcp_retransmit_skb_skbaddr(ctx) +
		    gadget_get_ctime_nanosec_from_inode(ctx) + (__u64)get_disk(ctx) +
		    (__u64)get_gendisk(ctx);

	gadget_output_buf(ctx, &events, &sum, sizeof(sum));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

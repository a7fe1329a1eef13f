// SPDX-License-Identifier: GPL-2.0
// The elements of a map that another program fills: calls of one system call by
// first argument, of which a snapshot shows those that were made more than once.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <gadget/macros.h>
#include <gadget/maps.bpf.h>
#include <gadget/types.h>

struct row {
	__u64 argument;
	__u64 calls;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} calls SEC(".maps");

GADGET_ITER(elements, row, each_element);
GADGET_ITER_TARGET_MAP(each_element, calls);

const volatile __u32 target = 0;
GADGET_PARAM(target);
const volatile __u64 syscall_nr = 0;
GADGET_PARAM(syscall_nr);

SEC("raw_tp/sys_enter")
int on_syscall(struct bpf_raw_tracepoint_args *ctx)
{
	if (ctx->args[1] != syscall_nr || bpf_get_current_pid_tgid() >> 32 != target)
		return 0;

	struct pt_regs *regs = (struct pt_regs *)ctx->args[0];
	__u64 argument = PT_REGS_PARM1_CORE_SYSCALL(regs), zero = 0;
	__u64 *value = bpf_map_lookup_or_try_init(&calls, &argument, &zero);

	if (value)
		__sync_fetch_and_add(value, 1);
	return 0;
}

SEC("iter/bpf_map_elem")
int each_element(struct bpf_iter__bpf_map_elem *ctx)
{
	__u64 *argument = ctx->key, *count = ctx->value;
	struct row row;

	if (!argument || !count || *count < 2)
		return 0;
	row.argument = *argument;
	row.calls = *count;
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

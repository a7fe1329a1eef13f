// SPDX-License-Identifier: GPL-2.0
// A map that is read and emptied: calls of one system call by first argument.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <gadget/macros.h>
#include <gadget/maps.bpf.h>
#include <gadget/types.h>

struct call_key {
	__u64 argument;
};

struct call_count {
	__u64 calls;
	gadget_pid pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct call_key);
	__type(value, struct call_count);
} calls SEC(".maps");

const volatile __u32 calls_max_entries = 16384;
GADGET_PARAM(calls_max_entries);

/* Calls for which there was no room. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} calls_lost_samples SEC(".maps");

GADGET_MAPITER(counts, calls);

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
	struct call_key key = {.argument = PT_REGS_PARM1_CORE_SYSCALL(regs)};
	struct call_count zero = {.pid = target};
	struct call_count *value = bpf_map_lookup_or_try_init(&calls, &key, &zero);

	if (value) {
		__sync_fetch_and_add(&value->calls, 1);
		return 0;
	}
	__u32 index = 0;
	__u64 *lost = bpf_map_lookup_elem(&calls_lost_samples, &index);

	if (lost)
		(*lost)++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0
// Metrics of every type, made of the first argument of one system call: in a map
// that is read and emptied, and in a stream.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <gadget/bits.bpf.h>
#include <gadget/buffer.h>
#include <gadget/macros.h>
#include <gadget/maps.bpf.h>
#include <gadget/types.h>

#define SLOTS 16

enum parity {
	even,
	odd,
};

struct call_key {
	gadget_pid pid;
	enum parity parity_raw;
};

struct call_value {
	gadget_counter__u64 calls;
	gadget_gauge__u32 last;
	gadget_histogram_slot__u32 arguments[SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct call_key);
	__type(value, struct call_value);
} sums SEC(".maps");

struct call {
	__u64 argument;
};

GADGET_MAPITER(calls, sums);
GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(stream, events, call);

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
	__u64 argument = PT_REGS_PARM1_CORE_SYSCALL(regs);
	struct call_key key = {.pid = target, .parity_raw = argument & 1};
	struct call_value zero = {};
	struct call_value *value = bpf_map_lookup_or_try_init(&sums, &key, &zero);

	if (value) {
		__u64 slot = get_slot_idx(argument);

		__sync_fetch_and_add(&value->calls, 1);
		value->last = argument;
		if (slot >= SLOTS)
			slot = SLOTS - 1;
		__sync_fetch_and_add(&value->arguments[slot], 1);
	}

	struct call *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->argument = argument;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

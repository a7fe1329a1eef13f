// SPDX-License-Identifier: GPL-2.0
// Every kind of member, parameter and map that a plan must understand.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>

enum color {
	RED,
	GREEN = 5,
};

enum flag_set {
	FLAG_A = 1,
	FLAG_B = 2,
};

struct inner {
	__u8 small;
	struct {
		__s16 deep;
	} nested;
};

typedef struct inner inner_t;

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	gadget_errno error_raw;
	gadget_signal sig_raw;
	gadget_syscall call_raw;
	gadget_file_mode mode_raw;
	gadget_file_flags flags_raw;
	gadget_bytes size_raw;
	gadget_duration took_raw;
	gadget_uid owner_raw;
	gadget_capability cap_raw;
	gadget_capability_set caps_raw;
	gadget_netns_id netns;
	struct gadget_l4endpoint_t src;
	struct gadget_l3endpoint_t gateway;
	enum color color_raw;
	enum flag_set options_raw;
	enum color plain_enum;
	gadget_errno bare_errno;
	struct inner in;
	inner_t aliased;
	char name[20];
	gadget_comm comm2[TASK_COMM_LEN];
	__u8 bytes[6];
	__u32 numbers[3];
	bool ok;
	double ratio;
	float small_ratio;
	__s8 s8;
	__s64 s64;
	void *pointer;
	__u32 bits : 3;
	__u64 __internal;
	__u32 rest_len;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(everything, events, event);

const volatile bool verbose = true;
GADGET_PARAM(verbose);
const volatile __s16 level = -7;
GADGET_PARAM(level);
const volatile char prefix[8] = "ab";
GADGET_PARAM(prefix);
const volatile struct gadget_l3endpoint_t address = {};
GADGET_PARAM(address);
const volatile double ratio_min = 0.5;
GADGET_PARAM(ratio_min);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 100);
	__type(key, __u32);
	__type(value, __u64);
} starts SEC(".maps");

const volatile __u32 starts_max_entries = 500;
GADGET_PARAM(starts_max_entries);

SEC("tracepoint/syscalls/sys_enter_openat")
int enter_openat(struct syscall_trace_enter *ctx)
{
	if (gadget_should_discard_data_current() || !verbose || level > 0)
		return 0;
	if (prefix[0] == 'x' || address.version == 9 || starts_max_entries == 0)
		return 0;

	__u32 key = 0;
	if (bpf_map_lookup_elem(&starts, &key))
		return 0;
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	__builtin_memset(event, 0, sizeof(*event));
	gadget_process_populate(&event->proc);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

SEC("raw_tp/sched_process_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

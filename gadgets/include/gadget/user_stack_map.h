/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * User stacks: the maps that hold them, the parameters that switch them on, and
 * gadget_get_user_stack(), which fills the struct gadget_user_stack of an event.
 * Stacks are collected only on request, as walking one costs microseconds.
 */
#ifndef GADGET_USER_STACK_MAP_H
#define GADGET_USER_STACK_MAP_H

#include <gadget/current.h>
#include <gadget/core_fixes.bpf.h>
#include <gadget/fnv1a.h>
#include <gadget/kernel_stack_map.h>
#include <gadget/macros.h>
#include <gadget/types.h>

#ifndef __VMLINUX_H__
#error "gadget/user_stack_map.h needs vmlinux.h, which cannot be mixed with <linux/bpf.h>"
#endif

/* The parameters: collect stacks, with build ids, for the OpenTelemetry profiler. */
const volatile bool collect_ustack = false;
const volatile bool collect_build_id = false;
const volatile bool collect_otel_stack = false;
/* How many stacks with build ids are kept: the size of the map of that name. */
const volatile __u32 ig_build_id_max_entries = 1024;

GADGET_PARAM(collect_ustack);
GADGET_PARAM(collect_build_id);
GADGET_PARAM(collect_otel_stack);
GADGET_PARAM(ig_build_id_max_entries);

/* The stacks, by id, and how many different ones there is room for. */
#define USER_STACK_MAP_MAX_ENTRIES 10000
struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, USER_STACK_MAP_MAX_ENTRIES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, PERF_MAX_STACK_DEPTH * sizeof(__u64));
} ig_ustack SEC(".maps");

struct __gadget_build_id_stack {
	struct bpf_stack_build_id frames[PERF_MAX_STACK_DEPTH];
};

/* The same stacks as build ids and offsets. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	/* Replaced by ig_build_id_max_entries. */
	__uint(max_entries, 0);
	__type(key, __u32);
	__type(value, struct __gadget_build_id_stack);
} ig_build_id SEC(".maps");

/* What the OpenTelemetry profiler needs: an id for the stack, and its entry points. */
struct __gadget_otel_params {
	__u64 correlation_id;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct __gadget_otel_params);
} otel_generic_params SEC(".maps");

#define __GADGET_OTEL_ENTRY(name)                                                                  \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                             \
		__uint(max_entries, 1);                                                            \
		__uint(key_size, sizeof(__u32));                                                   \
		__uint(value_size, sizeof(__u32));                                                 \
	} name SEC(".maps")

__GADGET_OTEL_ENTRY(otel_tc_kprobe);
__GADGET_OTEL_ENTRY(otel_tc_perf);

#undef __GADGET_OTEL_ENTRY

/* inode.i_mtime became __i_mtime in 6.7 and was split in two in 6.11. */
struct inode___mtime_since_6_11 {
	__s64 i_mtime_sec;
	__u32 i_mtime_nsec;
} __GADGET_FLAVOUR;

struct inode___mtime_since_6_7 {
	struct timespec64___any __i_mtime;
} __GADGET_FLAVOUR;

struct inode___mtime_before_6_7 {
	struct timespec64___any i_mtime;
} __GADGET_FLAVOUR;

static __always_inline void __gadget_user_stack_mtime(void *inode, struct gadget_user_stack *s)
{
	struct inode___mtime_since_6_11 *now = inode;
	struct inode___mtime_since_6_7 *mid = inode;
	struct inode___mtime_before_6_7 *old = inode;

	if (bpf_core_field_exists(now->i_mtime_sec)) {
		s->mtime_sec = BPF_CORE_READ(now, i_mtime_sec);
		s->mtime_nsec = BPF_CORE_READ(now, i_mtime_nsec);
	} else if (bpf_core_field_exists(mid->__i_mtime)) {
		s->mtime_sec = BPF_CORE_READ(mid, __i_mtime.tv_sec);
		s->mtime_nsec = BPF_CORE_READ(mid, __i_mtime.tv_nsec);
	} else {
		s->mtime_sec = BPF_CORE_READ(old, i_mtime.tv_sec);
		s->mtime_nsec = BPF_CORE_READ(old, i_mtime.tv_nsec);
	}
}

/* Which program it is, and where its address space begins. */
static __always_inline void __gadget_user_stack_exe(struct task_struct *task,
						    struct gadget_user_stack *s)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct inode *inode = BPF_CORE_READ(mm, exe_file, f_inode);
	__u32 dev = BPF_CORE_READ(inode, i_sb, s_dev);
	__u32 hash = fnv_32a_init();

	s->inode = BPF_CORE_READ(inode, i_ino);
	s->major = dev >> 20;
	s->minor = dev & 0xfffff;
	__gadget_user_stack_mtime(inode, s);

	fnv_32a_update_u64(&hash, (__u64)mm);
	fnv_32a_update_u64(&hash, BPF_CORE_READ(mm, start_code));
	fnv_32a_update_u64(&hash, BPF_CORE_READ(mm, start_stack));
	s->base_addr_hash = hash;
}

/* The process in the outermost pid namespace and in the one below, if it is in one. */
static __always_inline void __gadget_user_stack_pids(struct task_struct *task,
						     struct gadget_user_stack *s)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	struct pid *leader = BPF_CORE_READ(task, group_leader, thread_pid);

	s->tgid_level0 = BPF_CORE_READ(leader, numbers[0].nr);
	s->pid_level0 = BPF_CORE_READ(pid, numbers[0].nr);
	s->pidns_level0 = BPF_CORE_READ(pid, numbers[0].ns, ns.inum);
	if (BPF_CORE_READ(pid, level) > 0) {
		struct upid inner = {};

		bpf_core_read(&inner, sizeof(inner), &pid->numbers[1]);
		s->pid_level1 = inner.nr;
		s->pidns_level1 = BPF_CORE_READ(inner.ns, ns.inum);
	}
}

/* Puts the stack with build ids beside the one with addresses, under the same id. */
static __always_inline void __gadget_user_stack_build_ids(void *ctx, __u32 id)
{
	static const struct __gadget_build_id_stack empty = {};
	struct __gadget_build_id_stack *stack;

	stack = bpf_map_lookup_elem(&ig_build_id, &id);
	if (stack)
		return;
	bpf_map_update_elem(&ig_build_id, &id, &empty, BPF_NOEXIST);
	stack = bpf_map_lookup_elem(&ig_build_id, &id);
	if (stack)
		bpf_get_stack(ctx, stack, sizeof(*stack), BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
}

static __always_inline void __gadget_user_stack(void *ctx, struct gadget_user_stack *s)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	long id;

	__builtin_memset(s, 0, sizeof(*s));
	if (!collect_ustack)
		return;
	id = bpf_get_stackid(ctx, &ig_ustack, BPF_F_USER_STACK | BPF_F_FAST_STACK_CMP);
	if (id < 0)
		return;
	s->stack_id = id;
	__gadget_user_stack_exe(task, s);
	__gadget_user_stack_pids(task, s);
	s->boot_timestamp = bpf_ktime_get_boot_ns();
	if (collect_build_id)
		__gadget_user_stack_build_ids(ctx, s->stack_id);
}

/* Lets the OpenTelemetry profiler unwind the stack too, if it is there. */
static __always_inline void __gadget_user_stack_otel(void *ctx, void *entry,
						     struct gadget_user_stack *s)
{
	struct __gadget_otel_params *params;
	__u32 zero = 0;

	if (!collect_ustack || !collect_otel_stack)
		return;
	params = bpf_map_lookup_elem(&otel_generic_params, &zero);
	if (!params)
		return;
	params->correlation_id = 0;
	bpf_tail_call(ctx, entry, 0);
	s->otel_correlation_id = params->correlation_id;
}

static __always_inline void gadget_get_user_stack_from_kprobe(void *ctx,
							      struct gadget_user_stack *s)
{
	__gadget_user_stack(ctx, s);
	__gadget_user_stack_otel(ctx, &otel_tc_kprobe, s);
}

/* For programs of perf events. */
static __always_inline void gadget_get_user_stack_from_perf_event(void *ctx,
								  struct gadget_user_stack *s)
{
	__gadget_user_stack(ctx, s);
	__gadget_user_stack_otel(ctx, &otel_tc_perf, s);
}

/* Other contexts than the profiler's own two cannot ask it. */
static __always_inline void gadget_get_user_stack_from_tracepoint(void *ctx,
								  struct gadget_user_stack *s)
{
	__gadget_user_stack(ctx, s);
	if (collect_ustack && collect_otel_stack)
		bpf_core_unreachable();
}

struct bpf_perf_event_data;

/* Picks the variant by the type of the program's context. */
#define gadget_get_user_stack(ctx, ustack)                                                         \
	_Generic((ctx),                                                                            \
		struct pt_regs *: gadget_get_user_stack_from_kprobe,                               \
		struct bpf_perf_event_data *: gadget_get_user_stack_from_perf_event,               \
		default: gadget_get_user_stack_from_tracepoint)(ctx, ustack)

#endif /* GADGET_USER_STACK_MAP_H */

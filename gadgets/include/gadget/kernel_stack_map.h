/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Kernel stacks: the map that holds them and the id that goes in the event. */
#ifndef GADGET_KERNEL_STACK_MAP_H
#define GADGET_KERNEL_STACK_MAP_H

#include <gadget/kernel.h>

/* perf's default limit, PERF_MAX_STACK_DEPTH. */
#ifndef PERF_MAX_STACK_DEPTH
#define PERF_MAX_STACK_DEPTH 127
#endif

/* The stacks, by id, and how many different ones there is room for. */
#define KERNEL_STACK_MAP_MAX_ENTRIES 10000
struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, KERNEL_STACK_MAP_MAX_ENTRIES);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, PERF_MAX_STACK_DEPTH * sizeof(__u64));
} ig_kstack SEC(".maps");

/* The id of the current kernel stack for a gadget_kernel_stack; negative on failure. */
static __always_inline long gadget_get_kernel_stack(void *ctx)
{
	return bpf_get_stackid(ctx, &ig_kstack, BPF_F_FAST_STACK_CMP);
}

#endif /* GADGET_KERNEL_STACK_MAP_H */

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The filter of processes. User space, which knows units, cgroups and what
 * descends from a command, puts the processes of interest in the map and
 * switches the filter on; without it everything passes.
 */
#ifndef GADGET_PROCESS_FILTER_H
#define GADGET_PROCESS_FILTER_H

#include <gadget/types.h>

/* On when user space chose processes. */
const volatile bool gadget_filter_by_process = false;

/* The processes to show, whatever container they are in. User space replaces it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, gadget_pid);
	__type(value, __u32);
} gadget_process_filter_map SEC(".maps");

/* Whether a process was chosen. */
static __always_inline bool gadget_is_chosen_process(gadget_pid pid)
{
	return bpf_map_lookup_elem(&gadget_process_filter_map, &pid);
}

#endif /* GADGET_PROCESS_FILTER_H */

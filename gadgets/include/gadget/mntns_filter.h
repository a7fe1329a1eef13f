/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The container filter. User space puts the mount namespaces of the containers
 * of interest in the map and switches the filter on; without it everything passes.
 */
#ifndef GADGET_MNTNS_FILTER_H
#define GADGET_MNTNS_FILTER_H

#include <gadget/types.h>

/* On when user space chose containers. */
const volatile bool gadget_filter_by_mntns = false;

/* The mount namespaces to show. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, gadget_mntns_id);
	__type(value, __u32);
} gadget_mntns_filter_map SEC(".maps");

/* Whether an event of this mount namespace is to be left out. */
static __always_inline bool gadget_should_discard_mntns_id(gadget_mntns_id mntns_id)
{
	return gadget_filter_by_mntns && !bpf_map_lookup_elem(&gadget_mntns_filter_map, &mntns_id);
}

#endif /* GADGET_MNTNS_FILTER_H */

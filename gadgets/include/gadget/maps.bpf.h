/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef GADGET_MAPS_BPF_H
#define GADGET_MAPS_BPF_H

#include <gadget/kernel.h>

/*
 * The value under key, a copy of init when there was none. NULL when the map is
 * full, or when the entry was removed in the same moment.
 */
static __always_inline void *bpf_map_lookup_or_try_init(void *map, const void *key,
							const void *init)
{
	void *value = bpf_map_lookup_elem(map, key);

	if (value)
		return value;
	/* Another CPU may have been first: then the value is theirs. */
	bpf_map_update_elem(map, key, init, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, key);
}

#endif /* GADGET_MAPS_BPF_H */

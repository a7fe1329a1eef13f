/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The FNV-1a hash. Numbers are hashed byte by byte, the lowest first. */
#ifndef GADGET_FNV1A_H
#define GADGET_FNV1A_H

#include <gadget/kernel.h>

/* What a hash of 32 bits begins with. */
static __always_inline __u32 fnv_32a_init(void)
{
	return 0x811c9dc5;
}

/* What a hash of 64 bits begins with. */
static __always_inline __u64 fnv_64a_init(void)
{
	return 0xcbf29ce484222325ULL;
}

/* Adds a byte; fnv_32a_update_u16, _u32 and _u64 add more. */
static __always_inline void fnv_32a_update_u8(__u32 *hash, __u8 v)
{
	*hash = (*hash ^ v) * 0x01000193;
}

/* Adds a byte; fnv_64a_update_u16, _u32 and _u64 add more. */
static __always_inline void fnv_64a_update_u8(__u64 *hash, __u8 v)
{
	*hash = (*hash ^ v) * 0x100000001b3ULL;
}

#define __GADGET_FNV1A(bits, width)                                                                \
	static __always_inline void fnv_##bits##a_update_u##width(__u##bits *hash, __u##width v)   \
	{                                                                                          \
		for (int shift = 0; shift < width; shift += 8)                                     \
			fnv_##bits##a_update_u8(hash, (__u8)(v >> shift));                         \
	}

__GADGET_FNV1A(32, 16)
__GADGET_FNV1A(32, 32)
__GADGET_FNV1A(32, 64)
__GADGET_FNV1A(64, 16)
__GADGET_FNV1A(64, 32)
__GADGET_FNV1A(64, 64)

#undef __GADGET_FNV1A

#endif /* GADGET_FNV1A_H */

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Logarithms, for histograms. */
#ifndef GADGET_BITS_BPF_H
#define GADGET_BITS_BPF_H

#include <gadget/kernel.h>

/* The position of the highest bit of v, 0 for 0: by halving, without a branch. */
static __always_inline __u64 __gadget_highest_bit(__u64 v)
{
	__u64 n = 0, step;

	for (int shift = 32; shift; shift >>= 1) {
		step = (__u64)(v >= 1ULL << shift) * shift;
		v >>= step;
		n += step;
	}
	return n;
}

/* The whole part of the logarithm to base 2, 0 for 0. */
static __always_inline __u64 log2(__u32 v)
{
	return __gadget_highest_bit(v);
}

/* The same of 64 bits. */
static __always_inline __u64 log2l(__u64 v)
{
	return __gadget_highest_bit(v);
}

/* The histogram slot of v: 0 for 0, else n for 2^(n-1) <= v < 2^n. */
static __always_inline __u64 get_slot_idx(__u64 v)
{
	return v ? __gadget_highest_bit(v) + 1 : 0;
}

#endif /* GADGET_BITS_BPF_H */

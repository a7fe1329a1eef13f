/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A place for a packet filter that the user writes in pcap's language:
 *
 *	GADGET_PF();
 *	if (!gadget_pf_matches(skb, data, data_end))
 *		return 0;
 *
 * The loader puts the compiled filter in place of the function's body. Without a
 * filter every packet matches.
 */
#ifndef GADGET_PACKETFILTER_H
#define GADGET_PACKETFILTER_H

#include <gadget/kernel.h>

/*
 * The body only keeps the compiler from dropping arguments; it is true for every
 * packet that has data. The three skbs are where the filter's registers come from.
 */
#define GADGET_PF(name)                                                                            \
	static __attribute__((noinline, used)) bool gadget_pf_##name(                              \
		void *skb, void *skb2, void *skb3, void *data, void *data_end)                     \
	{                                                                                          \
		return data != data_end && skb == skb2 && skb2 == skb3;                            \
	}                                                                                          \
	struct __gadget_pf_##name

#define __GADGET_PF_UNNAMED(skb, data, data_end)                                                   \
	gadget_pf_((void *)(skb), (void *)(skb), (void *)(skb), (void *)(long)(data),              \
		   (void *)(long)(data_end))
#define __GADGET_PF_NAMED(name, skb, data, data_end)                                               \
	gadget_pf_##name((void *)(skb), (void *)(skb), (void *)(skb), (void *)(long)(data),        \
			 (void *)(long)(data_end))
#define __GADGET_PF_PICK(a, b, c, d, pick, ...) pick

/* gadget_pf_matches([name,] skb, data, data_end) */
#define gadget_pf_matches(...)                                                                     \
	__GADGET_PF_PICK(__VA_ARGS__, __GADGET_PF_NAMED, __GADGET_PF_UNNAMED, )(__VA_ARGS__)

#endif /* GADGET_PACKETFILTER_H */

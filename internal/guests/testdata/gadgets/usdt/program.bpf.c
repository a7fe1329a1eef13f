// SPDX-License-Identifier: GPL-2.0
#include "../../sale.h"

SEC("usdt//bin/till:shop:sale")
int BPF_USDT(sale, int amount, __u64 customer)
{
	return report(ctx, amount, customer);
}

/* The same program, which runs at another address each time. */
SEC("usdt//bin/till-pie:shop:sale")
int BPF_USDT(sale_pie, int amount, __u64 customer)
{
	return report(ctx, amount, customer);
}

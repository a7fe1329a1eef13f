// SPDX-License-Identifier: GPL-2.0
#include "../../sale.h"

SEC("uprobe//bin/till:sell")
int BPF_UPROBE(sell, int amount, __u64 customer)
{
	return report(ctx, amount, customer);
}

/* A function of a stripped Go program. */
SEC("uprobe//bin/gadget:main.main")
int golang(struct pt_regs *ctx)
{
	return report(ctx, -1, 0);
}

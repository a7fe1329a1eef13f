// SPDX-License-Identifier: GPL-2.0
#include "../../sale.h"

SEC("uprobe.multi//bin/till:s?ll,rest*")
int BPF_UPROBE(both, int amount)
{
	return report(ctx, amount, 0);
}

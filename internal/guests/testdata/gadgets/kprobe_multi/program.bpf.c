// SPDX-License-Identifier: GPL-2.0
#include "../../probe.h"

SEC("kprobe.multi/vfs_ope*")
int probe(struct pt_regs *ctx)
{
	return report(ctx);
}

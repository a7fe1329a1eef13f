// SPDX-License-Identifier: GPL-2.0
#include "../../probe.h"

SEC("ksyscall/openat")
int probe(struct pt_regs *ctx)
{
	return report(ctx);
}

// SPDX-License-Identifier: GPL-2.0
#include "../../probe.h"

SEC("kretprobe.multi/vfs_open,do_sys_openat*")
int probe(struct pt_regs *ctx)
{
	return report(ctx);
}

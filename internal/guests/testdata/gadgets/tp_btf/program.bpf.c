// SPDX-License-Identifier: GPL-2.0
#include "../../probe.h"

SEC("tp_btf/sys_enter")
int probe(__u64 *ctx)
{
	return report(ctx);
}

// SPDX-License-Identifier: GPL-2.0
#include "../../probe.h"

SEC("lsm.s/file_open")
int probe(__u64 *ctx)
{
	return report(ctx);
}

// SPDX-License-Identifier: GPL-2.0
#include "../../probe.h"

SEC("raw_tp/sys_enter")
int probe(struct bpf_raw_tracepoint_args *ctx)
{
	return report(ctx);
}

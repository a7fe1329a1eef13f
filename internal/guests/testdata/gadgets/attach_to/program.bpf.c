// SPDX-License-Identifier: GPL-2.0
// The target is that of gadget.yaml: for programs that name it when they are loaded
// as for those that do when they are attached.
#include "../../probe.h"

SEC("fentry/no_such_function")
int by_fentry(__u64 *ctx)
{
	return report(ctx);
}

SEC("kprobe/no_such_function")
int by_kprobe(struct pt_regs *ctx)
{
	return report(ctx);
}

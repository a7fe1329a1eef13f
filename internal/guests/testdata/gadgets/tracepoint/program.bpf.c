// SPDX-License-Identifier: GPL-2.0
#include "../../probe.h"

SEC("tracepoint/syscalls/sys_enter_openat")
int probe(struct syscall_trace_enter *ctx)
{
	return report(ctx);
}

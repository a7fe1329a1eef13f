// SPDX-License-Identifier: GPL-2.0
#include "../../probe.h"

SEC("perf_event/faults")
int probe(struct bpf_perf_event_data *ctx)
{
	return report(ctx);
}

// SPDX-License-Identifier: GPL-2.0
// mygadget: which processes use the processors, by taking samples.

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/maps.bpf.h>
#include <gadget/mntns.h>
#include <gadget/types.h>

// A row of the table is a key, followed by its value.
struct running {
	gadget_mntns_id mntns_id; // tells gadget the container
	gadget_pid pid;
	gadget_comm comm[TASK_COMM_LEN];
};

struct count {
	__u64 samples;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct running);
	__type(value, struct count);
} counts SEC(".maps");

GADGET_MAPITER(mygadget, counts);

// A clock interrupts every processor; gadget.yaml says how often. What runs at that
// moment is counted.
SEC("perf_event/clock")
int mygadget(struct bpf_perf_event_data *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (!pid) // the processor is idle
		return 0;
	if (gadget_should_discard_data_current())
		return 0;

	struct running key = {};
	key.mntns_id = gadget_get_current_mntns_id();
	key.pid = pid;
	bpf_get_current_comm(key.comm, sizeof(key.comm));

	struct count zero = {};
	struct count *count = bpf_map_lookup_or_try_init(&counts, &key, &zero);
	if (count)
		__sync_fetch_and_add(&count->samples, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

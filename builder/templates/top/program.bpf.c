// SPDX-License-Identifier: GPL-2.0
// mygadget: how many system calls each process makes, as a table every second.

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/maps.bpf.h>
#include <gadget/mntns.h>
#include <gadget/types.h>

// A row of the table is a key, followed by its value.
struct process {
	gadget_mntns_id mntns_id; // tells gadget the container
	gadget_pid pid;
	gadget_comm comm[TASK_COMM_LEN];
};

struct count {
	__u64 calls;
};

// A hash that gadget reads and empties every second. When it is full, new processes
// are not counted: --rows makes it larger.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct process);
	__type(value, struct count);
} counts SEC(".maps");

GADGET_MAPITER(mygadget, counts);

// A variable with the name of a map and _max_entries sets the size of the map.
const volatile __u32 counts_max_entries = 10240;
GADGET_PARAM(counts_max_entries);

// This runs at every system call of the machine: it has to be short.
SEC("raw_tp/sys_enter")
int mygadget(void *ctx)
{
	if (gadget_should_discard_data_current())
		return 0;

	// The bytes between members are part of the key: set them all to 0.
	struct process key = {};
	key.mntns_id = gadget_get_current_mntns_id();
	key.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(key.comm, sizeof(key.comm));

	struct count zero = {};
	struct count *count = bpf_map_lookup_or_try_init(&counts, &key, &zero);
	// Other processors may count at the same time.
	if (count)
		__sync_fetch_and_add(&count->calls, 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

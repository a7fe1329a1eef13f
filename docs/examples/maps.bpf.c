#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/maps.bpf.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

void count(__u32 pid)
{
	__u64 zero = 0;
	__u64 *n = bpf_map_lookup_or_try_init(&counts, &pid, &zero);

	if (n)
		__sync_fetch_and_add(n, 1);
}

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/bits.bpf.h>

/* The slot of a latency in a histogram with 27 slots. */
__u64 slot(__u64 nanoseconds)
{
	__u64 n = get_slot_idx(nanoseconds / 1000);

	return n < 27 ? n : 26;
}

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/fnv1a.h>

__u32 hash(__u64 address, __u16 port)
{
	__u32 h = fnv_32a_init();

	fnv_32a_update_u64(&h, address);
	fnv_32a_update_u16(&h, port);
	return h;
}

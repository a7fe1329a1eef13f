#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/current.h>

__u32 session(void)
{
	__u32 id = 0;

	gadget_read_current(id, sessionid, sessionid);
	return id;
}

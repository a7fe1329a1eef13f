#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/mntns.h>

gadget_mntns_id whose(void)
{
	return gadget_get_current_mntns_id();
}

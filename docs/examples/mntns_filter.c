#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/mntns.h>
#include <gadget/mntns_filter.h>

SEC("raw_tp/sched_process_exec")
int example(void *ctx)
{
	if (gadget_should_discard_mntns_id(gadget_get_current_mntns_id()))
		return 0;
	/* reserve, fill and submit an event */
	return 0;
}

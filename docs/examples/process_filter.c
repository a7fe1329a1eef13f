#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/process_filter.h>

SEC("raw_tp/sched_process_exec")
int example(void *ctx)
{
	if (gadget_filter_by_process && !gadget_is_chosen_process(bpf_get_current_pid_tgid() >> 32))
		return 0;
	/* reserve, fill and submit an event */
	return 0;
}

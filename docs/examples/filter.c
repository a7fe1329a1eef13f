#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/filter.h>

SEC("raw_tp/sched_process_exit")
int example(void *ctx)
{
	if (gadget_should_discard_data_current())
		return 0;
	/* reserve, fill and submit an event */
	return 0;
}

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/buffer.h>

struct event {
	__u64 value;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(example, events, event);

SEC("raw_tp/sys_enter")
int example(void *ctx)
{
	struct event *event = gadget_reserve_buf(&events, sizeof(*event));

	if (!event)
		return 0; /* full, and counted */
	event->value = bpf_get_current_pid_tgid();
	if (!event->value) {
		gadget_discard_buf(event);
		return 0;
	}
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/kernel_stack_map.h>
#include <gadget/types.h>

struct event {
	gadget_kernel_stack stack_raw;
};

void example(void *ctx, struct event *event)
{
	event->stack_raw = gadget_get_kernel_stack(ctx);
}

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/common.h>

struct event {
	struct gadget_process proc;
};

void example(struct event *event)
{
	gadget_process_populate(&event->proc);
}

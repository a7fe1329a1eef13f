#define GADGET_TYPE_NETWORKING
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <gadget/sockets-map.h>
#include <gadget/types.h>

struct event {
	struct gadget_process proc;
};

void owner(const struct __sk_buff *skb, struct event *event)
{
	struct gadget_socket_value *socket = gadget_socket_lookup(skb);

	if (socket)
		gadget_process_populate_from_socket(socket, &event->proc);
}

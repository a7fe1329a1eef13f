#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/types.h>

struct event {
	gadget_timestamp timestamp_raw; /* becomes timestamp: 2026-01-31T12:00:00.000000000Z */
	struct gadget_process proc;	/* who, and in which container */
	gadget_errno error_raw;		/* becomes error: ENOENT */
	gadget_duration latency_raw;	/* becomes latency: 1.20ms */
	struct gadget_l4endpoint_t dst; /* shown as 192.0.2.1:443 */
};

const struct event *keep;

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/macros.h>
#include <gadget/types.h>

/* A parameter: --min_size, or what gadget.yaml calls it. */
const volatile __u64 min_size = 0;
GADGET_PARAM(min_size);

/* A table that is read and emptied every second. */
struct who {
	gadget_pid pid;
};

struct amount {
	gadget_bytes bytes_raw;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct who);
	__type(value, struct amount);
} sizes SEC(".maps");

GADGET_MAPITER(sizes, sizes);

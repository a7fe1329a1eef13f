// SPDX-License-Identifier: GPL-2.0
// An iterator of a map that nothing names.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include <gadget/macros.h>

struct row {
	__u64 argument;
};

GADGET_ITER(elements, row, each_element);

SEC("iter/bpf_map_elem")
int each_element(struct bpf_iter__bpf_map_elem *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

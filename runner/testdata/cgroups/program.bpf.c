// SPDX-License-Identifier: GPL-2.0
// The control groups, each with its parent.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include <gadget/macros.h>

struct row {
	__u64 id;
	__u64 parent;
};

/* Named parent until 6.14. */
struct kernfs_node___new {
	struct kernfs_node *__parent;
} __attribute__((preserve_access_index));

GADGET_ITER(cgroups, row, each_cgroup);

SEC("iter/cgroup")
int each_cgroup(struct bpf_iter__cgroup *ctx)
{
	struct cgroup *cgroup = ctx->cgroup;
	struct kernfs_node___new *node;
	struct row row = {};

	if (!cgroup)
		return 0;
	row.id = BPF_CORE_READ(cgroup, kn, id);
	node = (void *)BPF_CORE_READ(cgroup, kn);
	if (bpf_core_field_exists(node->__parent))
		row.parent = BPF_CORE_READ(node, __parent, id);
	else
		row.parent = BPF_CORE_READ(cgroup, kn, parent, id);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

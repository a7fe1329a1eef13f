// SPDX-License-Identifier: GPL-2.0
// A row for each task, by a program that may sleep.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <gadget/macros.h>
#include <gadget/types.h>

struct row {
	gadget_pid pid;
	gadget_comm comm[16];
};

GADGET_ITER(tasks, row, each);

SEC("iter.s/task")
int each(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct row row = {};

	if (!task)
		return 0;
	row.pid = task->tgid;
	__builtin_memcpy(row.comm, task->comm, sizeof(row.comm));
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

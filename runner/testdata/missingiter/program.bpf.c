// SPDX-License-Identifier: GPL-2.0
// Tasks, by an iterator that no kernel has or by one that all have.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

#include <gadget/macros.h>
#include <gadget/types.h>

struct row {
	gadget_pid pid;
};

GADGET_ITER(tasks, row, by_nothing, by_task);

SEC("iter/teleports")
int by_nothing(struct bpf_iter__task *ctx)
{
	return 0;
}

SEC("iter/task")
int by_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct row row;

	if (!task || task->pid != task->tgid)
		return 0;
	row.pid = task->pid;
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The processes that exist, or their threads. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include <gadget/macros.h>
#include <gadget/mntns_filter.h>
#include <gadget/types.h>

struct process {
	gadget_comm comm[TASK_COMM_LEN];
	gadget_pid pid;
	gadget_tid tid;
	gadget_mntns_id mntns_id;
	struct gadget_creds creds;
	struct gadget_parent parent;
};

const volatile bool threads = false;

GADGET_PARAM(threads);

GADGET_ITER(processes, process, gadget_processes);

SEC("iter/task")
int gadget_processes(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_struct *parent;
	struct process row = {};

	/* After the last task there is a call without one. */
	if (!task)
		return 0;
	row.pid = task->tgid;
	row.tid = task->pid;
	if (!threads && row.pid != row.tid)
		return 0;
	/* 0 once the task has left its namespaces, at the end of its exit. */
	row.mntns_id = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	if (gadget_should_discard_mntns_id(row.mntns_id))
		return 0;

	bpf_core_read(row.comm, sizeof(row.comm), &task->comm);
	row.creds.uid = BPF_CORE_READ(task, cred, uid.val);
	row.creds.gid = BPF_CORE_READ(task, cred, gid.val);
	parent = BPF_CORE_READ(task, real_parent);
	row.parent.pid = BPF_CORE_READ(parent, tgid);
	row.parent.tid = BPF_CORE_READ(parent, pid);
	bpf_core_read(row.parent.comm, sizeof(row.parent.comm), &parent->comm);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

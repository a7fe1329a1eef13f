// SPDX-License-Identifier: GPL-2.0
// mygadget: all processes, once, with the number of their threads.

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>

// What a row looks like.
struct row {
	gadget_mntns_id mntns_id; // tells gadget the container
	gadget_comm comm[TASK_COMM_LEN];
	gadget_pid pid;
	gadget_uid uid_raw; // the name of the user becomes a field uid
	__u32 threads;
};

// The data source, and the programs whose output it is.
GADGET_ITER(mygadget, row, mygadget);

// An iterator program runs once for each object of the kernel when somebody reads
// it: here for each thread. Other kinds are task_file, tcp, udp, bpf_map, …
SEC("iter/task")
int mygadget(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	// The last call has no task. The first thread of a process stands for it.
	if (!task || task->pid != task->tgid)
		return 0;

	// BPF_CORE_READ follows pointers, and finds members where this kernel has them.
	struct row row = {
		.mntns_id = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum),
		.pid = task->tgid,
		.uid_raw = BPF_CORE_READ(task, cred, uid.val),
		.threads = BPF_CORE_READ(task, signal, nr_threads),
	};
	if (gadget_should_discard_mntns_id(row.mntns_id) || gadget_should_discard_pid(row.pid))
		return 0;
	bpf_probe_read_kernel(row.comm, sizeof(row.comm), task->comm);

	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

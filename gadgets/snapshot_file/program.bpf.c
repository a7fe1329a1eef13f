// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The files that processes have open: what /proc/PID/fd shows, of all processes. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include <gadget/filesystem.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>

/* Bits of a mode that say what a file is, and where they lie. */
#define S_IFMT 0170000
#define S_IFMT_SHIFT 12

/* The numbers are those of a mode; 0 is what has none, such as an eventfd. */
enum open_file_type {
	anonymous = 0,
	fifo = 1,
	character_device = 2,
	directory = 4,
	block_device = 6,
	regular_file = 8,
	symbolic_link = 10,
	socket = 12,
};

struct open_file {
	gadget_mntns_id mntns_id;
	gadget_comm comm[TASK_COMM_LEN];
	gadget_pid pid;
	gadget_tid tid;
	__u32 fd;
	char path[GADGET_PATH_MAX];
	enum open_file_type type_raw;
	gadget_file_flags flags_raw;
};

const volatile bool paths = true;
const volatile __u32 type_mask = 0;

GADGET_PARAM(paths);
GADGET_PARAM(type_mask);

GADGET_ITER(files, open_file, gadget_files);

/* A row is larger than the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct open_file);
} rows SEC(".maps");

SEC("iter/task_file")
int gadget_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct open_file *row;
	__u32 zero = 0;

	/* After the last file there is a call without one. */
	if (!task || !file)
		return 0;
	row = bpf_map_lookup_elem(&rows, &zero);
	if (!row)
		return 0;

	row->type_raw = (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) >> S_IFMT_SHIFT;
	if (type_mask && !(type_mask & (1U << row->type_raw)))
		return 0;
	row->mntns_id = BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
	bpf_core_read(row->comm, sizeof(row->comm), &task->comm);
	row->pid = task->tgid;
	row->tid = task->pid;
	if (gadget_should_discard_data(row->mntns_id, row->pid, row->tid, row->comm,
				       BPF_CORE_READ(task, cred, uid.val),
				       BPF_CORE_READ(task, cred, gid.val)))
		return 0;

	row->fd = ctx->fd;
	row->flags_raw = file->f_flags;
	row->path[0] = '\0';
	if (paths)
		gadget_read_file_name(row->path, file);
	bpf_seq_write(ctx->meta->seq, row, sizeof(*row));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

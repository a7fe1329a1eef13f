// SPDX-License-Identifier: GPL-2.0-only

/*
 * Which file is behind a mapping of ours. Overlay file systems show user space an
 * inode of their own for each mount; uprobes are attached to the inode below, of
 * which the kernel tells nobody since 6.8, when /proc/PID/maps changed.
 *
 * User space maps the file and runs this program, in its own context.
 */

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* What is read of the kernel's types; where the members lie is found out at load time. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block___g {
	dev_t s_dev;
};

struct inode___g {
	unsigned long i_ino;
	struct super_block___g *i_sb;
};

struct file___g {
	struct inode___g *f_inode;
};

struct vm_area_struct___g {
	struct file___g *vm_file;
};

#pragma clang attribute pop

/* Read by user space: inode.go has the same layout. */
struct query {
	__u64 address;
	__u64 inode;
	__u32 device;
	__u32 found;
};

static long look(void *task, struct vm_area_struct___g *vma, struct query *q)
{
	q->inode = BPF_CORE_READ(vma, vm_file, f_inode, i_ino);
	q->device = BPF_CORE_READ(vma, vm_file, f_inode, i_sb, s_dev);
	q->found = q->inode != 0;
	return 0;
}

SEC("syscall")
int inode(struct query *query)
{
	struct query q = {.address = query->address};

	bpf_find_vma((void *)bpf_get_current_task_btf(), q.address, (void *)look, &q, 0);
	*query = q;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

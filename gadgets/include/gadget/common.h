/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Who did it: fills a struct gadget_process from the current task. */
#ifndef GADGET_COMMON_H
#define GADGET_COMMON_H

#include <gadget/current.h>
#include <gadget/mntns.h>
#include <gadget/types.h>

#ifdef __VMLINUX_H__

/* Sets every byte of p, so it may lie in a fresh reservation. */
static __always_inline void gadget_process_populate(struct gadget_process *p)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u64 uid_gid = bpf_get_current_uid_gid();
	struct task_struct *parent;

	/* Some kernels write no more than the name and its end. */
	__builtin_memset(p->comm, 0, sizeof(p->comm));
	bpf_get_current_comm(p->comm, sizeof(p->comm));
	p->pid = pid_tgid >> 32;
	p->tid = (__u32)pid_tgid;
	p->creds.uid = (__u32)uid_gid;
	p->creds.gid = uid_gid >> 32;
	p->mntns_id = gadget_get_current_mntns_id();

	if (__gadget_has_task_btf()) {
		struct task_struct *task = bpf_get_current_task_btf();

		parent = task->real_parent;
		p->parent.pid = parent->tgid;
		p->parent.tid = parent->pid;
	} else {
		struct task_struct *task = (void *)bpf_get_current_task();

		parent = BPF_CORE_READ(task, real_parent);
		p->parent.pid = BPF_CORE_READ(parent, tgid);
		p->parent.tid = BPF_CORE_READ(parent, pid);
	}
	bpf_core_read(p->parent.comm, sizeof(p->parent.comm), &parent->comm);
}

#endif /* __VMLINUX_H__ */

#endif /* GADGET_COMMON_H */

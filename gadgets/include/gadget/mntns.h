/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The mount namespace of the current task: the key of the container it is in. */
#ifndef GADGET_MNTNS_H
#define GADGET_MNTNS_H

#include <gadget/types.h>
#include <gadget/current.h>

#ifdef __VMLINUX_H__

/* 0 for a task that has already left its namespaces, at the end of its exit. */
static __always_inline gadget_mntns_id gadget_get_current_mntns_id(void)
{
	gadget_mntns_id id;

	gadget_read_current(id, nsproxy->mnt_ns->ns.inum, nsproxy, mnt_ns, ns.inum);
	return id;
}

/* The old name. */
static __always_inline gadget_mntns_id gadget_get_mntns_id(void)
{
	return gadget_get_current_mntns_id();
}

#endif /* __VMLINUX_H__ */

#endif /* GADGET_MNTNS_H */

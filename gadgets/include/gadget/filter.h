/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The filters that every gadget has: those of containers and processes, and the
 * parameters --pid, --tid, --uid, --gid and --comm. Ask before reserving room for an event:
 *
 *	if (gadget_should_discard_data_current())
 *		return 0;
 *
 * A filter that is off costs nothing: the kernel drops its code when it loads
 * the program.
 */
#ifndef GADGET_FILTER_H
#define GADGET_FILTER_H

#include <gadget/macros.h>
#include <gadget/mntns.h>
#include <gadget/mntns_filter.h>
#include <gadget/process_filter.h>
#include <gadget/types.h>

/* The parameters. No process has pid 0, no user the id -1: these let everything pass. */
const volatile gadget_pid targ_pid = 0;
const volatile gadget_tid targ_tid = 0;
const volatile gadget_uid targ_uid = (gadget_uid)-1;
const volatile gadget_gid targ_gid = (gadget_gid)-1;
const volatile gadget_comm targ_comm[TASK_COMM_LEN] = {};

GADGET_PARAM(targ_pid);
GADGET_PARAM(targ_tid);
GADGET_PARAM(targ_uid);
GADGET_PARAM(targ_gid);
GADGET_PARAM(targ_comm);

/* Whether --pid leaves an event of this process out. */
static __always_inline bool gadget_should_discard_pid(gadget_pid pid)
{
	return targ_pid != 0 && targ_pid != pid;
}

/* Whether --tid does. */
static __always_inline bool gadget_should_discard_tid(gadget_tid tid)
{
	return targ_tid != 0 && targ_tid != tid;
}

/* Whether --uid does. */
static __always_inline bool gadget_should_discard_uid(gadget_uid uid)
{
	return targ_uid != (gadget_uid)-1 && targ_uid != uid;
}

/* Whether --gid does. */
static __always_inline bool gadget_should_discard_gid(gadget_gid gid)
{
	return targ_gid != (gadget_gid)-1 && targ_gid != gid;
}

/*
 * Whether --comm does. What follows the end of comm may be anything: Linux 6.1
 * leaves there what was in memory before.
 */
static __always_inline bool gadget_should_discard_comm(const char *comm)
{
	if (targ_comm[0] == '\0')
		return false;
	for (int i = 0; i < TASK_COMM_LEN; i++) {
		if (targ_comm[i] != comm[i])
			return true;
		if (targ_comm[i] == '\0')
			break;
	}
	return false;
}

/*
 * Whether the choice of containers, and of processes besides them, leaves an event
 * out. A process that was chosen counts whatever container it is in.
 */
static __always_inline bool gadget_should_discard_owner(gadget_mntns_id mntns_id, gadget_pid pid)
{
	if (!gadget_filter_by_process)
		return gadget_should_discard_mntns_id(mntns_id);
	return !gadget_is_chosen_process(pid) &&
	       !bpf_map_lookup_elem(&gadget_mntns_filter_map, &mntns_id);
}

/* All filters at once, for events about another process than the current one. */
static __always_inline bool gadget_should_discard_data(gadget_mntns_id mntns_id, gadget_pid pid,
						       gadget_tid tid, const char *comm,
						       gadget_uid uid, gadget_gid gid)
{
	return gadget_should_discard_owner(mntns_id, pid) || gadget_should_discard_pid(pid) ||
	       gadget_should_discard_tid(tid) || gadget_should_discard_comm(comm) ||
	       gadget_should_discard_uid(uid) || gadget_should_discard_gid(gid);
}

#ifndef GADGET_TYPE_NETWORKING

/* All filters against the current task. Asks the kernel only for what a filter needs. */
static __always_inline bool gadget_should_discard_data_current(void)
{
	if ((gadget_filter_by_mntns || gadget_filter_by_process) &&
	    gadget_should_discard_owner(gadget_get_current_mntns_id(),
					bpf_get_current_pid_tgid() >> 32))
		return true;
	if (targ_pid != 0 || targ_tid != 0) {
		__u64 id = bpf_get_current_pid_tgid();

		if (gadget_should_discard_pid(id >> 32) || gadget_should_discard_tid((__u32)id))
			return true;
	}
	if (targ_uid != (gadget_uid)-1 || targ_gid != (gadget_gid)-1) {
		__u64 id = bpf_get_current_uid_gid();

		if (gadget_should_discard_uid((__u32)id) || gadget_should_discard_gid(id >> 32))
			return true;
	}
	if (targ_comm[0] != '\0') {
		char comm[TASK_COMM_LEN];

		bpf_get_current_comm(comm, sizeof(comm));
		if (gadget_should_discard_comm(comm))
			return true;
	}
	return false;
}

#endif /* GADGET_TYPE_NETWORKING */

/*
 * All filters against the owner of a socket, as gadget_socket_lookup() of
 * sockets-map.h returns it. A packet of no known owner passes only when no
 * filter is on.
 */
static __always_inline bool gadget_should_discard_data_by_skb(struct gadget_socket_value *owner)
{
	if (!owner)
		return gadget_filter_by_mntns || gadget_filter_by_process || targ_pid != 0 ||
		       targ_tid != 0 || targ_uid != (gadget_uid)-1 || targ_gid != (gadget_gid)-1 ||
		       targ_comm[0] != '\0';
	return gadget_should_discard_data(owner->mntns, owner->pid_tgid >> 32,
					  (__u32)owner->pid_tgid, owner->task,
					  (__u32)owner->uid_gid, owner->uid_gid >> 32);
}

#endif /* GADGET_FILTER_H */

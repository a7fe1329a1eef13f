// SPDX-License-Identifier: GPL-2.0-only

/*
 * Knows of every process in which cgroup it is, and keeps the set of those that
 * were chosen: what is in a chosen cgroup, and what descends from a chosen process.
 *
 * A process is known before it does anything: a fork is seen before the child
 * runs, a move to another cgroup before the call that moves it returns. A cgroup
 * that is new counts as chosen until user space, which knows names, says that it
 * is not.
 */

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define MAX_PROCESSES 32768
#define MAX_MEMBERS 16384
#define MAX_CGROUPS 16384
#define SLOTS 4096
#define PATH_SIZE 1024

/*
 * What is read of the kernel's types, and no more: whole types would make the
 * object twenty times as large. Where the members lie is found out at load time.
 */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct kernfs_node___g {
	__u64 id;
};

struct cgroup_root___g {
	int hierarchy_id;
};

struct cgroup___g {
	struct kernfs_node___g *kn;
	struct cgroup_root___g *root;
};

struct css_set___g {
	struct cgroup___g *dfl_cgrp;
};

struct task_struct___g {
	int pid;
	int tgid;
	__u64 start_boottime;
	struct task_struct___g *group_leader;
	struct css_set___g *cgroups;
};

#pragma clang attribute pop

/* Why a process is in the set of those chosen. */
enum reason {
	DESCENDS = 1,
	IN_CGROUP = 2,
};

/* What is known of a process. The layout is that of known in kernel.go. */
struct process {
	/* CLOCK_BOOTTIME of its start. */
	__u64 started;
	/* Directory in the cgroup2 mount. */
	__u64 cgroup;
	/* Whether it descends from a chosen process. */
	__u32 descends;
	__u32 pad;
};

/* A cgroup that has just been made. The layout is that of made in kernel.go. */
struct made {
	__u64 cgroup;
	char path[PATH_SIZE];
};

/* Keep the types in the object, where a test compares them with Go's. */
const struct process *type_of_process __attribute__((unused));
const struct made *type_of_made __attribute__((unused));

/*
 * Processes that started, or moved, since the programs are here. They stay for a
 * while after their end, for events that are read late.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, __u32);
	__type(value, struct process);
} processes SEC(".maps");

/* Those chosen, until they are gone. Replaced by the map that the gadget filters with. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_MEMBERS);
	__type(key, __u32);
	__type(value, __u32);
} gadget_process_filter_map SEC(".maps");

/* Cgroups that were chosen, or that are too new for user space to know. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CGROUPS);
	__type(key, __u64);
	__type(value, __u32);
} cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} news SEC(".maps");

/* Whether cgroups are being chosen. */
const volatile bool choosing = false;

/*
 * How often something has changed for the processes of a slot, which is a
 * process id modulo SLOTS: what user space remembers holds until then.
 */
__u32 changed[SLOTS] = {};
/* Processes that found no room in the set. */
__u64 refused = 0;

static __always_inline void bump(__u32 tgid)
{
	__sync_fetch_and_add(&changed[tgid % SLOTS], 1);
}

static __always_inline bool descends(__u32 tgid)
{
	__u32 *why = bpf_map_lookup_elem(&gadget_process_filter_map, &tgid);

	return why && *why & DESCENDS;
}

/* Takes a process into the list, and into the set or out of it. */
static __always_inline void enroll(__u32 tgid, struct process *p)
{
	__u32 why = p->descends ? DESCENDS : 0;

	if (choosing && bpf_map_lookup_elem(&cgroups, &p->cgroup))
		why |= IN_CGROUP;
	/* Out of the set goes, too, who had the id before. */
	if (!why)
		bpf_map_delete_elem(&gadget_process_filter_map, &tgid);
	else if (bpf_map_update_elem(&gadget_process_filter_map, &tgid, &why, BPF_ANY))
		__sync_fetch_and_add(&refused, 1);
	bpf_map_update_elem(&processes, &tgid, p, BPF_ANY);
	bump(tgid);
}

SEC("raw_tp/task_newtask")
int newtask(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct___g *task = (struct task_struct___g *)ctx->args[0];
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct process p = {};

	if (BPF_CORE_READ(task, pid) != tgid)
		return 0;
	p.started = BPF_CORE_READ(task, start_boottime);
	p.cgroup = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	p.descends = descends(bpf_get_current_pid_tgid() >> 32);
	enroll(tgid, &p);
	return 0;
}

SEC("raw_tp/cgroup_attach_task")
int attach_task(struct bpf_raw_tracepoint_args *ctx)
{
	struct cgroup___g *cgroup = (struct cgroup___g *)ctx->args[0];
	struct task_struct___g *task = (struct task_struct___g *)ctx->args[2];
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct process p = {};

	/* In a hierarchy of version 1 user space looks for itself. */
	if (BPF_CORE_READ(cgroup, root, hierarchy_id)) {
		bump(tgid);
		return 0;
	}
	p.started = BPF_CORE_READ(task, group_leader, start_boottime);
	p.cgroup = BPF_CORE_READ(cgroup, kn, id);
	p.descends = descends(tgid);
	enroll(tgid, &p);
	return 0;
}

/*
 * The last moment of a process: by now its id may have a new owner. At its exit
 * it would be too early, what it leaves open is closed after that.
 */
SEC("raw_tp/sched_process_free")
int process_free(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct___g *task = (struct task_struct___g *)ctx->args[0];
	__u32 tgid = BPF_CORE_READ(task, tgid);
	struct process *p;

	if (BPF_CORE_READ(task, pid) != tgid)
		return 0;
	p = bpf_map_lookup_elem(&processes, &tgid);
	if (!p || p->started == BPF_CORE_READ(task, start_boottime))
		bpf_map_delete_elem(&gadget_process_filter_map, &tgid);
	return 0;
}

SEC("raw_tp/cgroup_mkdir")
int cgroup_mkdir(struct bpf_raw_tracepoint_args *ctx)
{
	struct cgroup___g *cgroup = (struct cgroup___g *)ctx->args[0];
	__u64 id = BPF_CORE_READ(cgroup, kn, id);
	__u32 one = 1;
	struct made *m;

	if (BPF_CORE_READ(cgroup, root, hierarchy_id))
		return 0;
	if (choosing)
		bpf_map_update_elem(&cgroups, &id, &one, BPF_ANY);
	m = bpf_ringbuf_reserve(&news, sizeof(*m), 0);
	if (!m)
		return 0;
	m->cgroup = id;
	bpf_probe_read_kernel_str(m->path, sizeof(m->path), (void *)ctx->args[1]);
	bpf_ringbuf_submit(m, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0-only

/*
 * Notices mount namespaces from their first moment.
 *
 * Container runtimes unshare and then clone the process that becomes the
 * container, so the first fork seen inside a namespace nobody knows is earlier
 * than anything that runs in the container; programs that unshare and exec
 * without a fork are seen at the exec. Both hooks are raw tracepoints: they cost
 * nothing per system call and detach at once, which the tracepoint of unshare
 * does not.
 *
 * A namespace that is new is let through the filter right here, before user
 * space knows of it. User space finds out whose it is and keeps or removes it.
 */

#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define MAX_NAMESPACES 16384

/*
 * What is read of the kernel's types, and no more: whole types would make the
 * object twenty times as large. Where the members lie is found out at load time.
 */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common___g {
	unsigned int inum;
	/* Since 6.18. */
	__u64 ns_id;
};

struct mnt_namespace___g {
	struct ns_common___g ns;
	/* Until 6.17. */
	__u64 seq;
};

struct net___g {
	struct ns_common___g ns;
};

struct nsproxy___g {
	struct mnt_namespace___g *mnt_ns;
	struct net___g *net_ns;
};

struct kernfs_node___g {
	const char *name;
	__u64 id;
	/* Until 6.14, and since 6.15. */
	struct kernfs_node___g *parent;
	struct kernfs_node___g *__parent;
};

struct cgroup___g {
	struct kernfs_node___g *kn;
};

struct cgroup_subsys_state___g {
	struct cgroup___g *cgroup;
};

struct css_set___g {
	struct cgroup_subsys_state___g *subsys[1];
	struct cgroup___g *dfl_cgrp;
};

struct task_struct___g {
	int pid;
	int tgid;
	__u64 start_boottime;
	struct task_struct___g *group_leader;
	struct nsproxy___g *nsproxy;
	struct css_set___g *cgroups;
	char comm[16];
};

#pragma clang attribute pop

enum kind {
	SEEN = 1,
	DYING = 2,
};

/* What user space is told of a namespace. The layout is that of sighting in tracker.go. */
struct sighting {
	__u32 kind;
	/* First process seen in it. */
	__u32 pid;
	__u64 mntns;
	/* Tells apart the namespaces that had the same number one after the other, in no order. */
	__u64 generation;
	/* CLOCK_BOOTTIME of this sighting, and of the start of the process. */
	__u64 boot;
	__u64 started;
	/* Directory of the process in the cgroup2 mount. */
	__u64 cgroup;
	__u32 netns;
	__u32 pad;
	/* Last two components of its cgroup path, for processes that are gone when user space
	 * looks. */
	char leaf[160];
	char parent[64];
	/* Name of the process: that of a runtime which is just making a container. */
	char comm[16];
};

/* Keeps the type in the object, where a test compares it with Go's. */
const struct sighting *type_of_sighting __attribute__((unused));

struct known {
	__u64 generation;
	__u32 pid;
	/* Number of the last snapshot that listed it. */
	__u32 snapshot;
	/* Network namespace of the process when it was last told of. */
	__u32 netns;
	__u32 pad;
};

/* A namespace that falls out because there are too many is only reported again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_NAMESPACES);
	__type(key, __u64);
	__type(value, struct known);
} known SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} sightings SEC(".maps");

/* Replaced by the map that the gadget filters with. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_NAMESPACES);
	__type(key, __u64);
	__type(value, __u32);
} gadget_mntns_filter_map SEC(".maps");

/* Whether new namespaces enter the filter. */
const volatile bool provisional = false;

/*
 * Sightings sent. It grows before anything happens in the new namespace, so that
 * a reader of events who has learned as many knows all namespaces they can name.
 */
__u64 announced = 0;
/* Namespaces that found no room in the filter. */
__u64 refused = 0;
/* Number of the snapshot being taken; changed by user space. */
__u32 snapshot_number = 0;

static __always_inline struct mnt_namespace___g *mount_namespace(struct task_struct___g *task)
{
	/* An exiting task has no nsproxy any more. */
	struct nsproxy___g *nsproxy = BPF_CORE_READ(task, nsproxy);

	return nsproxy ? BPF_CORE_READ(nsproxy, mnt_ns) : NULL;
}

static __always_inline __u64 generation_of(struct mnt_namespace___g *mnt)
{
	if (bpf_core_field_exists(mnt->ns.ns_id))
		return BPF_CORE_READ(mnt, ns.ns_id);
	if (bpf_core_field_exists(mnt->seq))
		return BPF_CORE_READ(mnt, seq);
	return (__u64)mnt;
}

static __always_inline struct kernfs_node___g *parent_of(struct kernfs_node___g *node)
{
	if (bpf_core_field_exists(node->__parent))
		return BPF_CORE_READ(node, __parent);
	if (bpf_core_field_exists(node->parent))
		return BPF_CORE_READ(node, parent);
	return NULL;
}

static __always_inline void fill_cgroup(struct sighting *s, struct task_struct___g *task)
{
	struct css_set___g *set = BPF_CORE_READ(task, cgroups);
	struct kernfs_node___g *node = BPF_CORE_READ(set, dfl_cgrp, kn);
	struct kernfs_node___g *parent = parent_of(node);

	s->cgroup = BPF_CORE_READ(node, id);
	/* Where only cgroup v1 is used everything is in the root of v2. */
	if (!parent && bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id)) {
		int pids = bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
		struct cgroup_subsys_state___g *css = NULL;
		struct cgroup_subsys_state___g **all =
			(void *)set + bpf_core_field_offset(set->subsys);

		bpf_probe_read_kernel(&css, sizeof(css), all + pids);
		node = BPF_CORE_READ(css, cgroup, kn);
		parent = parent_of(node);
	}
	bpf_probe_read_kernel_str(s->leaf, sizeof(s->leaf), BPF_CORE_READ(node, name));
	if (parent)
		bpf_probe_read_kernel_str(s->parent, sizeof(s->parent),
					  BPF_CORE_READ(parent, name));
}

static __always_inline __u32 network_of(struct task_struct___g *task)
{
	return BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
}

static __always_inline void fill(struct sighting *s, struct task_struct___g *task, __u64 mntns,
				 __u64 generation)
{
	__builtin_memset(s, 0, sizeof(*s));
	s->kind = SEEN;
	s->pid = BPF_CORE_READ(task, tgid);
	s->mntns = mntns;
	s->generation = generation;
	s->boot = bpf_ktime_get_boot_ns();
	s->started = BPF_CORE_READ(task, group_leader, start_boottime);
	s->netns = network_of(task);
	bpf_probe_read_kernel_str(s->comm, sizeof(s->comm),
				  __builtin_preserve_access_index(&task->comm));
	fill_cgroup(s, task);
}

static __always_inline int notice(struct task_struct___g *task, bool executed)
{
	struct mnt_namespace___g *mnt = mount_namespace(task);
	struct known *k, fresh = {};
	struct sighting *s;
	__u32 one = 1;
	__u64 mntns;

	if (!mnt)
		return 0;
	mntns = BPF_CORE_READ(mnt, ns.inum);
	fresh.generation = generation_of(mnt);
	fresh.pid = BPF_CORE_READ(task, tgid);
	k = bpf_map_lookup_elem(&known, &mntns);
	if (k && k->generation == fresh.generation) {
		/*
		 * Some runtimes let the first process join the network of its pod only
		 * after it has been seen, and then execute the container's program.
		 */
		if (!executed || k->pid != fresh.pid || k->netns == network_of(task))
			return 0;
	}

	fresh.netns = network_of(task);
	bpf_map_update_elem(&known, &mntns, &fresh, BPF_ANY);
	if (provisional && bpf_map_update_elem(&gadget_mntns_filter_map, &mntns, &one, BPF_ANY))
		__sync_fetch_and_add(&refused, 1);

	s = bpf_ringbuf_reserve(&sightings, sizeof(*s), 0);
	if (!s) {
		/* No room to tell: let the next fork or exec try again. */
		bpf_map_delete_elem(&known, &mntns);
		return 0;
	}
	fill(s, task, mntns, fresh.generation);
	__sync_fetch_and_add(&announced, 1);
	bpf_ringbuf_submit(s, 0);
	return 0;
}

SEC("raw_tp/task_newtask")
int newtask(struct bpf_raw_tracepoint_args *ctx)
{
	return notice((struct task_struct___g *)ctx->args[0], false);
}

SEC("raw_tp/sched_process_exec")
int process_exec(struct bpf_raw_tracepoint_args *ctx)
{
	return notice((struct task_struct___g *)ctx->args[0], true);
}

/*
 * The end of the first process is, nearly always, the end of the namespace; user
 * space makes sure. The time of it tells late events from those of a successor
 * that has the same number.
 */
SEC("raw_tp/sched_process_exit")
int process_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct___g *task = (struct task_struct___g *)ctx->args[0];
	__u32 pid = BPF_CORE_READ(task, pid);
	struct mnt_namespace___g *mnt;
	struct sighting *s;
	struct known *k;
	__u64 mntns;

	if (pid != BPF_CORE_READ(task, tgid))
		return 0;
	mnt = mount_namespace(task);
	if (!mnt)
		return 0;
	mntns = BPF_CORE_READ(mnt, ns.inum);
	k = bpf_map_lookup_elem(&known, &mntns);
	if (!k || k->pid != pid)
		return 0;
	s = bpf_ringbuf_reserve(&sightings, sizeof(*s), 0);
	if (!s)
		return 0;
	__builtin_memset(s, 0, sizeof(*s));
	s->kind = DYING;
	s->pid = pid;
	s->mntns = mntns;
	s->generation = k->generation;
	s->boot = bpf_ktime_get_boot_ns();
	bpf_ringbuf_submit(s, 0);
	return 0;
}

/* Lists every mount namespace that has a task, once, with its lowest process. */
SEC("iter/task")
int snapshot(struct bpf_iter__task *ctx)
{
	struct task_struct___g *task = (void *)ctx->task;
	struct mnt_namespace___g *mnt;
	struct known *k, fresh = {};
	struct sighting s;
	__u64 mntns;

	if (!task)
		return 0;
	mnt = mount_namespace(task);
	if (!mnt)
		return 0;
	mntns = BPF_CORE_READ(mnt, ns.inum);
	fresh.generation = generation_of(mnt);
	fresh.snapshot = snapshot_number;
	k = bpf_map_lookup_elem(&known, &mntns);
	if (k && k->generation == fresh.generation && k->snapshot == fresh.snapshot)
		return 0;

	fill(&s, task, mntns, fresh.generation);
	/* When the buffer is full the kernel calls again for the same task. */
	if (bpf_seq_write(ctx->meta->seq, &s, sizeof(s)))
		return 0;
	if (k && k->generation == fresh.generation) {
		k->snapshot = fresh.snapshot;
		return 0;
	}
	fresh.pid = s.pid;
	fresh.netns = s.netns;
	bpf_map_update_elem(&known, &mntns, &fresh, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: GPL-2.0-only

/* A tracer of execs that obeys the container filter, as gadgets do. Needs no headers. */

typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define CORE __attribute__((preserve_access_index))
#define READ(to, from)                                                                             \
	probe_read_kernel(&(to), sizeof(to), __builtin_preserve_access_index(&(from)))

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static long (*probe_read_kernel_str)(void *to, u32 size, const void *from) = (void *)115;
static u64 (*ktime_get_boot_ns)(void) = (void *)125;
static void *(*ringbuf_reserve)(void *ring, u64 size, u64 flags) = (void *)131;
static void (*ringbuf_submit)(void *data, u64 flags) = (void *)132;

struct ns_common {
	u32 inum;
} CORE;
struct mnt_namespace {
	struct ns_common ns;
} CORE;
struct nsproxy {
	struct mnt_namespace *mnt_ns;
} CORE;
struct task_struct {
	int tgid;
	struct nsproxy *nsproxy;
} CORE;
struct linux_binprm {
	const char *filename;
} CORE;

struct event {
	u64 mntns;
	u64 boot;
	u32 pid;
	char filename[236];
};

struct {
	int (*type)[1];
	int (*max_entries)[16384];
	u64 *key;
	u32 *value;
} gadget_mntns_filter_map SEC(".maps");

struct {
	int (*type)[27];
	int (*max_entries)[1 << 20];
} events SEC(".maps");

const volatile _Bool gadget_filter_by_mntns = 0;

SEC("raw_tp/sched_process_exec")
int trace_exec(u64 *args)
{
	struct task_struct *task = (void *)args[0];
	struct linux_binprm *bprm = (void *)args[2];
	struct nsproxy *nsproxy;
	struct mnt_namespace *mnt;
	const char *filename;
	struct event *e;
	u32 inum;
	u64 mntns;

	READ(nsproxy, task->nsproxy);
	READ(mnt, nsproxy->mnt_ns);
	READ(inum, mnt->ns.inum);
	mntns = inum;
	if (gadget_filter_by_mntns && !map_lookup(&gadget_mntns_filter_map, &mntns))
		return 0;
	e = ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return 0;
	e->mntns = mntns;
	e->boot = ktime_get_boot_ns();
	READ(e->pid, task->tgid);
	READ(filename, bprm->filename);
	probe_read_kernel_str(e->filename, sizeof(e->filename), filename);
	ringbuf_submit(e, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

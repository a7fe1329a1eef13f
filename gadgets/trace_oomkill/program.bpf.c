// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Processes that the kernel kills because memory has run out.
 *
 * A victim is seen where the kernel marks it, which it does for each process when
 * it kills a whole control group. The tracepoint there has the victim itself since
 * Linux 6.8 and in newer stable releases before; elsewhere the function is probed.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	gadget_timestamp timestamp_raw;
	/* Of the victim, so that the event belongs to the container that loses a process. */
	gadget_mntns_id mntns_id;
	/* Who wanted memory when there was none left. */
	struct gadget_process fprocess;
	gadget_pid tpid;
	gadget_comm tcomm[TASK_COMM_LEN];
	__u64 tpages;
	__u64 pages;
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(oomkill, events, event);

/*
 * The limit that was hit, and the thread that hit it. One place is enough: the
 * kernel holds a lock while it kills.
 */
static volatile __u64 limit_pages;
static volatile __u32 limit_tid;

/* Before Linux 6.2 the counters of a process were not per CPU. */
struct mm_rss_stat___atomic {
	atomic_long_t count[NR_MM_COUNTERS];
} __attribute__((preserve_access_index));

struct mm_struct___atomic {
	struct mm_rss_stat___atomic rss_stat;
} __attribute__((preserve_access_index));

#define RSS_COUNTER(mm, which)                                                                     \
	(bpf_core_field_exists(struct mm_struct___atomic, rss_stat.count)                          \
		 ? BPF_CORE_READ((struct mm_struct___atomic *)(mm), rss_stat.count[which].counter) \
		 : BPF_CORE_READ(mm, rss_stat[which].count))

/* What a process has in memory, as exact as the kernel's own message about it. */
static __always_inline __u64 resident_pages(struct mm_struct *mm)
{
	__s64 pages = RSS_COUNTER(mm, MM_FILEPAGES) + RSS_COUNTER(mm, MM_ANONPAGES) +
		      RSS_COUNTER(mm, MM_SHMEMPAGES);

	return pages > 0 ? pages : 0;
}

static __always_inline int report(void *ctx, struct task_struct *victim)
{
	gadget_mntns_id mntns_id = BPF_CORE_READ(victim, nsproxy, mnt_ns, ns.inum);
	__u64 id = bpf_get_current_pid_tgid();
	__u64 creds = bpf_get_current_uid_gid();
	char comm[TASK_COMM_LEN];
	struct event *event;

	bpf_get_current_comm(comm, sizeof(comm));
	if (gadget_should_discard_data(mntns_id, id >> 32, (__u32)id, comm, (__u32)creds,
				       creds >> 32))
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	event->mntns_id = mntns_id;
	gadget_process_populate(&event->fprocess);
	event->tpid = BPF_CORE_READ(victim, tgid);
	bpf_core_read(event->tcomm, sizeof(event->tcomm), &victim->comm);
	event->tpages = resident_pages(BPF_CORE_READ(victim, mm));
	event->pages = limit_tid == (__u32)id ? limit_pages : 0;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

SEC("kprobe/oom_kill_process")
int BPF_KPROBE(gadget_limit_hit, struct oom_control *oc)
{
	limit_pages = BPF_CORE_READ(oc, totalpages);
	limit_tid = bpf_get_current_pid_tgid();
	return 0;
}

SEC("tp_btf/mark_victim")
int BPF_PROG(gadget_victim_traced, struct task_struct *victim)
{
	/* Where this is a number instead, the verifier refuses the program. */
	if (!victim->tgid)
		return 0;
	return report(ctx, victim);
}

SEC("kprobe/mark_oom_victim")
int BPF_KPROBE(gadget_victim_probed, struct task_struct *victim)
{
	/* A victim can be marked again while it dies. */
	if (BPF_CORE_READ(victim, signal, oom_mm))
		return 0;
	return report(ctx, victim);
}

char LICENSE[] SEC("license") = "GPL";

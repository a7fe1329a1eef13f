// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What processes need capabilities for, and whether they have them.
 *
 * One function of the kernel answers all such questions. How it was asked is seen
 * at its beginning. The answer is seen at a tracepoint inside it, since Linux 6.14,
 * or where it returns.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/syscall.h>
#include <gadget/types.h>

/* How the function was asked (include/linux/security.h). */
#define CAP_OPT_NOAUDIT 2
#define CAP_OPT_INSETID 4

/* What is shown where nobody can say how. */
#define UNKNOWN -1

/* How many threads may be asking at once. */
#define MAX_QUESTIONS 10240

/* How many answers --unique remembers; the ones not met for longest come again. */
#define MAX_ANSWERS 16384

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	bool capable;
	__s32 audit;
	gadget_capability cap_raw;
	gadget_syscall syscall_raw;
	__s32 insetid;
	__u64 current_userns;
	__u64 target_userns;
	gadget_capability_set cap_effective_raw;
};

const volatile bool audit_only = false;
const volatile bool unique = false;

GADGET_PARAM(audit_only);
GADGET_PARAM(unique);

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(capabilities, events, event);

/* What a thread is asking. */
struct question {
	struct user_namespace *target;
	__u32 cap;
	__u32 options;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_QUESTIONS);
	__type(key, __u32);
	__type(value, struct question);
} questions SEC(".maps");

/* The answers that --unique has shown. */
struct answer {
	gadget_mntns_id mntns_id;
	__u32 cap;
	__u32 capable;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_ANSWERS);
	__type(key, struct answer);
	__type(value, __u8);
} answers SEC(".maps");

static __always_inline void fill(struct event *event, struct user_namespace *target)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	const struct cred *cred = BPF_CORE_READ(task, cred);

	event->timestamp_raw = bpf_ktime_get_boot_ns();
	event->current_userns = BPF_CORE_READ(cred, user_ns, ns.inum);
	event->target_userns = BPF_CORE_READ(target, ns.inum);
	/* Two numbers of 32 bits before Linux 6.3, one of 64 since. */
	bpf_core_read(&event->cap_effective_raw, sizeof(event->cap_effective_raw),
		      &cred->cap_effective);
	event->syscall_raw = gadget_current_syscall_nr();
}

static __always_inline int report(void *ctx, struct user_namespace *target, __u32 cap, int options,
				  bool capable)
{
	struct answer answer = {.cap = cap, .capable = capable};
	struct event *event;
	const __u8 shown = 1;

	if (unique) {
		answer.mntns_id = gadget_get_current_mntns_id();
		if (bpf_map_lookup_elem(&answers, &answer))
			return 0;
	}
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	/* Another thread may have been faster; a lost event must come again. */
	if (unique && bpf_map_update_elem(&answers, &answer, &shown, BPF_NOEXIST)) {
		gadget_discard_buf(event);
		return 0;
	}
	gadget_process_populate(&event->proc);
	event->capable = capable;
	event->cap_raw = cap;
	event->audit = options == UNKNOWN ? UNKNOWN : !(options & CAP_OPT_NOAUDIT);
	event->insetid = options == UNKNOWN ? UNKNOWN : !!(options & CAP_OPT_INSETID);
	fill(event, target);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

SEC("kprobe/cap_capable")
int BPF_KPROBE(gadget_capability_asked, const struct cred *cred, struct user_namespace *target,
	       int cap, unsigned int options)
{
	struct question question = {.target = target, .cap = cap, .options = options};
	__u32 tid = bpf_get_current_pid_tgid();

	if (gadget_should_discard_data_current())
		return 0;
	bpf_map_update_elem(&questions, &tid, &question, BPF_ANY);
	return 0;
}

SEC("tp_btf/cap_capable")
int BPF_PROG(gadget_capability_traced, const struct cred *cred, struct user_namespace *target,
	     const struct user_namespace *owner, int cap, int ret)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct question *question;
	int options = UNKNOWN;

	if (gadget_should_discard_data_current())
		return 0;
	question = bpf_map_lookup_elem(&questions, &tid);
	if (question) {
		options = question->options;
		bpf_map_delete_elem(&questions, &tid);
	}
	if (audit_only && options != UNKNOWN && (options & CAP_OPT_NOAUDIT))
		return 0;
	return report(ctx, target, cap, options, ret == 0);
}

SEC("kretprobe/cap_capable")
int BPF_KRETPROBE(gadget_capability_returned, int ret)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct question *found = bpf_map_lookup_elem(&questions, &tid);
	struct question question;

	if (!found)
		return 0;
	question = *found;
	bpf_map_delete_elem(&questions, &tid);
	if (audit_only && (question.options & CAP_OPT_NOAUDIT))
		return 0;
	return report(ctx, question.target, question.cap, question.options, ret == 0);
}

char LICENSE[] SEC("license") = "GPL";

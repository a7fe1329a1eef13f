// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Signals that are sent, and those that could not be.
 *
 * A signal is seen where the kernel generates it, whoever asked for it: a system
 * call, another part of the kernel, a timer. What a system call is not allowed to
 * send never gets there, and is seen at the end of that call.
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

#define EAGAIN 11

/* What kill() leaves in si_code. */
#define SI_USER 0

/* Up to this, info is no pointer but says that the kernel sends the signal. */
#define LAST_SPECIAL_INFO 1

/* The result of a real-time signal for which there was no room in the queue. */
#define TRACE_SIGNAL_OVERFLOW_FAIL 3

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	/* Not a gadget_pid: kill() takes the negative number of a process group. */
	__s32 tpid;
	gadget_signal sig_raw;
	gadget_errno error_raw;
};

const volatile bool failed = false;
const volatile bool kill_only = false;
const volatile __u32 target_signal = 0;

GADGET_PARAM(failed);
GADGET_PARAM(kill_only);
GADGET_PARAM(target_signal);

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(signal, events, event);

static __always_inline int send(void *ctx, __s32 tpid, __u32 sig, __u32 error)
{
	struct event *event;

	if (target_signal && sig != target_signal)
		return 0;
	if (gadget_should_discard_data_current())
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&event->proc);
	event->tpid = tpid;
	event->sig_raw = sig;
	event->error_raw = error;
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

/* Whether it was kill() that made this info. */
static __always_inline bool sent_by_kill(struct kernel_siginfo *info)
{
	int code = -1;

	if ((unsigned long)info <= LAST_SPECIAL_INFO)
		return false;
	bpf_core_read(&code, sizeof(code), &info->si_code);
	return code == SI_USER;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(gadget_signal_sent, int sig, struct kernel_siginfo *info, struct task_struct *task,
	     int group, int result)
{
	bool lost = result == TRACE_SIGNAL_OVERFLOW_FAIL;

	if (failed && !lost)
		return 0;
	if (kill_only && !sent_by_kill(info))
		return 0;
	/* A signal for the whole process has no thread yet that will take it. */
	return send(ctx, group ? task->tgid : task->pid, sig, lost ? EAGAIN : 0);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(gadget_signal_failed, struct pt_regs *regs, long ret)
{
	unsigned long target, sig;

	/* Without room in the queue the signal has been seen above. */
	if (ret >= 0 || ret == -EAGAIN)
		return 0;
	switch (GADGET_SYSCALL_NR(regs)) {
	case GADGET_NR_kill:
		target = GADGET_SYSCALL_ARG0(regs);
		sig = GADGET_SYSCALL_ARG1(regs);
		break;
	case GADGET_NR_tkill:
	case GADGET_NR_rt_sigqueueinfo:
		if (kill_only)
			return 0;
		target = GADGET_SYSCALL_ARG0(regs);
		sig = GADGET_SYSCALL_ARG1(regs);
		break;
	case GADGET_NR_tgkill:
	case GADGET_NR_rt_tgsigqueueinfo:
		if (kill_only)
			return 0;
		target = GADGET_SYSCALL_ARG1(regs);
		sig = GADGET_SYSCALL_ARG2(regs);
		break;
	default:
		return 0;
	}
	if (gadget_in_compat_syscall())
		return 0;
	return send(ctx, target, sig, -ret);
}

char LICENSE[] SEC("license") = "GPL";

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The registers of a system call. At its end they still hold the number and the
 * arguments, so that a program on
 *
 *	SEC("tp_btf/sys_exit")
 *	int BPF_PROG(on_exit, struct pt_regs *regs, long ret)
 *
 * sees everything at once: no program at the beginning, no map in between. User
 * memory is read then too, when its pages have been touched by the kernel. Only a
 * successful execve has lost its registers.
 *
 * regs must be the typed pointer of a tp_btf program, whose members are plain
 * loads. gadget_get_syscall_nr() of core_fixes.bpf.h does without.
 */
#ifndef GADGET_SYSCALL_H
#define GADGET_SYSCALL_H

#include <gadget/current.h>

#ifndef __VMLINUX_H__
#error "gadget/syscall.h needs vmlinux.h, which cannot be mixed with <linux/bpf.h>"
#endif

/*
 * The barrier keeps the compiler from making one load of two that stand in
 * different branches, which the verifier refuses when one of them is not from regs.
 */
#define __GADGET_REGISTER(regs, member)                                                            \
	({                                                                                         \
		unsigned long __value = (regs)->member;                                            \
		barrier_var(__value);                                                              \
		__value;                                                                           \
	})

/* Arguments are counted from 0. */
#if defined(__TARGET_ARCH_x86)

#define __GADGET_NR_MEMBER orig_ax
#define GADGET_SYSCALL_NR(regs) ((long)(regs)->orig_ax)
#define GADGET_SYSCALL_ARG0(regs) __GADGET_REGISTER(regs, di)
#define GADGET_SYSCALL_ARG1(regs) __GADGET_REGISTER(regs, si)
#define GADGET_SYSCALL_ARG2(regs) __GADGET_REGISTER(regs, dx)
#define GADGET_SYSCALL_ARG3(regs) __GADGET_REGISTER(regs, r10)
#define GADGET_SYSCALL_ARG4(regs) __GADGET_REGISTER(regs, r8)

/* TS_COMPAT: a call by the 32-bit entry, with other numbers and registers. */
#define __GADGET_COMPAT_FIELD thread_info.status
#define __GADGET_COMPAT_BIT 0x2

/* Numbers of calls that gadgets ask for. -1 is none. */
#define GADGET_NR_open 2
#define GADGET_NR_creat 85
#define GADGET_NR_openat 257
#define GADGET_NR_openat2 437
#define GADGET_NR_execve 59
#define GADGET_NR_execveat 322
#define GADGET_NR_kill 62
#define GADGET_NR_tkill 200
#define GADGET_NR_tgkill 234
#define GADGET_NR_rt_sigqueueinfo 129
#define GADGET_NR_rt_tgsigqueueinfo 297
#define GADGET_NR_mount 165
#define GADGET_NR_umount2 166
#define GADGET_NR_open_tree 428
#define GADGET_NR_move_mount 429
#define GADGET_NR_fsopen 430
#define GADGET_NR_fsconfig 431
#define GADGET_NR_read 0
#define GADGET_NR_write 1
#define GADGET_NR_pread64 17
#define GADGET_NR_pwrite64 18
#define GADGET_NR_readv 19
#define GADGET_NR_writev 20
#define GADGET_NR_preadv 295
#define GADGET_NR_pwritev 296
#define GADGET_NR_preadv2 327
#define GADGET_NR_pwritev2 328
#define GADGET_NR_sendfile 40
#define GADGET_NR_splice 275
#define GADGET_NR_copy_file_range 326

#elif defined(__TARGET_ARCH_arm64)

#define __GADGET_NR_MEMBER syscallno
#define GADGET_SYSCALL_NR(regs) ((long)(regs)->syscallno)
/* The first register has the return value by then. */
#define GADGET_SYSCALL_ARG0(regs) __GADGET_REGISTER(regs, orig_x0)
#define GADGET_SYSCALL_ARG1(regs) __GADGET_REGISTER(regs, regs[1])
#define GADGET_SYSCALL_ARG2(regs) __GADGET_REGISTER(regs, regs[2])
#define GADGET_SYSCALL_ARG3(regs) __GADGET_REGISTER(regs, regs[3])
#define GADGET_SYSCALL_ARG4(regs) __GADGET_REGISTER(regs, regs[4])

/* TIF_32BIT: a task of 32 bits. */
#define __GADGET_COMPAT_FIELD thread_info.flags
#define __GADGET_COMPAT_BIT (1UL << 22)

#define GADGET_NR_open -1
#define GADGET_NR_creat -1
#define GADGET_NR_openat 56
#define GADGET_NR_openat2 437
#define GADGET_NR_execve 221
#define GADGET_NR_execveat 281
#define GADGET_NR_kill 129
#define GADGET_NR_tkill 130
#define GADGET_NR_tgkill 131
#define GADGET_NR_rt_sigqueueinfo 138
#define GADGET_NR_rt_tgsigqueueinfo 240
#define GADGET_NR_mount 40
#define GADGET_NR_umount2 39
#define GADGET_NR_open_tree 428
#define GADGET_NR_move_mount 429
#define GADGET_NR_fsopen 430
#define GADGET_NR_fsconfig 431
#define GADGET_NR_read 63
#define GADGET_NR_write 64
#define GADGET_NR_pread64 67
#define GADGET_NR_pwrite64 68
#define GADGET_NR_readv 65
#define GADGET_NR_writev 66
#define GADGET_NR_preadv 69
#define GADGET_NR_pwritev 70
#define GADGET_NR_preadv2 286
#define GADGET_NR_pwritev2 287
#define GADGET_NR_sendfile 71
#define GADGET_NR_splice 76
#define GADGET_NR_copy_file_range 285

#else
#error "gadget/syscall.h knows x86 and arm64"
#endif

/* True in a system call of a 32-bit program: its numbers mean other calls. */
static __always_inline bool gadget_in_compat_syscall(void)
{
	unsigned long flags;

	gadget_read_current(flags, __GADGET_COMPAT_FIELD, __GADGET_COMPAT_FIELD);
	return flags & __GADGET_COMPAT_BIT;
}

/* A thread of the kernel, which makes no system calls (include/linux/sched.h). */
#define __GADGET_PF_KTHREAD 0x00200000

/* Size of a kernel stack on kernels that have to be told where registers lie. */
#define __GADGET_THREAD_SIZE (16 * 1024)

/*
 * The number of the system call that the current task is in, for programs that are
 * not given its registers: -1 when it is in none, or in one of 32 bits.
 */
static __always_inline long gadget_current_syscall_nr(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct pt_regs *regs;

	if (BPF_CORE_READ(task, flags) & __GADGET_PF_KTHREAD || gadget_in_compat_syscall())
		return -1;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
	else
		/* They lie at the upper end of the stack. */
		regs = BPF_CORE_READ(task, stack) + __GADGET_THREAD_SIZE -
		       bpf_core_type_size(struct pt_regs);
	return (int)BPF_CORE_READ(regs, __GADGET_NR_MEMBER);
}

#endif /* GADGET_SYSCALL_H */

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The current task, read in the cheapest way the kernel allows. With
 * bpf_get_current_task_btf() (5.11) its members are plain loads, a nanosecond
 * each; without, each step is a call of bpf_probe_read_kernel().
 *
 * Only some networking program types lack that helper on kernels that have it,
 * hence the exception; they have no current task of interest anyway.
 */
#ifndef GADGET_CURRENT_H
#define GADGET_CURRENT_H

#include <gadget/kernel.h>

#ifdef __VMLINUX_H__

static __always_inline bool __gadget_has_task_btf(void)
{
#ifdef GADGET_TYPE_NETWORKING
	return false;
#else
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf);
#endif
}

/*
 * Reads a chain of members of the current task into dst:
 *
 *	gadget_read_current(inum, nsproxy->mnt_ns->ns.inum, nsproxy, mnt_ns, ns.inum);
 *
 * The chain is given twice, as an expression and as steps, because it compiles to
 * two programs of which the kernel keeps one.
 */
#define gadget_read_current(dst, expression, ...)                                                  \
	do {                                                                                       \
		if (__gadget_has_task_btf()) {                                                     \
			struct task_struct *__task = bpf_get_current_task_btf();                   \
			(dst) = __task->expression;                                                \
		} else {                                                                           \
			struct task_struct *__task = (void *)bpf_get_current_task();               \
			(dst) = BPF_CORE_READ(__task, __VA_ARGS__);                                \
		}                                                                                  \
	} while (0)

#endif /* __VMLINUX_H__ */

#endif /* GADGET_CURRENT_H */

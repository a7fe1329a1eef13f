/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Where the kernel's types come from: vmlinux.h, unless the source has chosen
 * the UAPI headers (<linux/bpf.h> and friends, usual in networking programs)
 * before it included the first <gadget/...> header. The two cannot be mixed.
 */
#ifndef GADGET_KERNEL_H
#define GADGET_KERNEL_H

#if !defined(__VMLINUX_H__) && !defined(_LINUX_TYPES_H)
#include <vmlinux.h>
#endif

#ifndef __VMLINUX_H__
#include <stdbool.h>
#endif

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* Bytes of the name of a task, the NUL at its end included. */
#ifndef TASK_COMM_LEN
#define TASK_COMM_LEN 16
#endif

#endif /* GADGET_KERNEL_H */

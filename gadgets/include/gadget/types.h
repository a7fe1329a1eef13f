/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Types of event members. A member that is declared with one of these typedefs
 * tells user space what it means: a gadget_errno is printed as ENOENT, a
 * gadget_mntns_id says to which container the event belongs, and so on.
 */
#ifndef GADGET_TYPES_H
#define GADGET_TYPES_H

#include <gadget/kernel.h>

/* Namespaces, by inode number. They attribute an event to its container. */
typedef __u64 gadget_mntns_id;
typedef __u32 gadget_netns_id;

/* CLOCK_BOOTTIME in nanoseconds, as bpf_ktime_get_boot_ns() has it. */
typedef __u64 gadget_timestamp;

/* Numbers that have names. gadget_errno is positive. */
typedef __u32 gadget_signal;
typedef __u32 gadget_errno;
typedef __u32 gadget_uid;
typedef __u32 gadget_gid;
typedef __u64 gadget_syscall;
typedef __u32 gadget_file_mode;
typedef __u32 gadget_file_flags;

/* A capability by number, CAP_CHOWN is 0, and several by bit. */
typedef __u32 gadget_capability;
typedef __u64 gadget_capability_set;

/* Amounts: bytes, and nanoseconds. */
typedef __u64 gadget_bytes;
typedef __u64 gadget_duration;

/* Key into ig_kstack, see kernel_stack_map.h. */
typedef __u32 gadget_kernel_stack;

/* Processes (tgid) and threads, the p variants of the parent. */
typedef __u32 gadget_pid;
typedef __u32 gadget_tid;
typedef __u32 gadget_ppid;
typedef __u32 gadget_ptid;
typedef char gadget_comm;
typedef char gadget_pcomm;

/* Metrics. Slots are arrays of counts, slot n for values below 2^n. */
typedef __u32 gadget_counter__u32;
typedef __u64 gadget_counter__u64;
typedef __u32 gadget_gauge__u32;
typedef __u64 gadget_gauge__u64;
typedef __u32 gadget_histogram_slot__u32;
typedef __u64 gadget_histogram_slot__u64;

/* An IPv4 address is the first four bytes, in network order. */
union gadget_ip_addr_t {
	__u8 v6[16];
	unsigned __int128 v6_raw;
	__u32 v4;
};

/* version is 4 or 6. */
struct gadget_l3endpoint_t {
	union gadget_ip_addr_t addr_raw;
	__u8 version;
};

/* port in host order, proto_raw is IPPROTO_*. */
struct gadget_l4endpoint_t {
	union gadget_ip_addr_t addr_raw;
	__u16 port;
	__u16 proto_raw;
	__u8 version;
};

/* The real user and group of a process. */
struct gadget_creds {
	gadget_uid uid;
	gadget_gid gid;
};

/* The parent of a process. */
struct gadget_parent {
	gadget_pcomm comm[TASK_COMM_LEN];
	gadget_ppid pid;
	gadget_ptid tid;
};

/* Who did it. common.h fills it in. */
struct gadget_process {
	gadget_comm comm[TASK_COMM_LEN];
	gadget_pid pid;
	gadget_tid tid;
	gadget_mntns_id mntns_id;
	struct gadget_creds creds;
	struct gadget_parent parent;
};

/*
 * A user stack and what is needed to symbolise it: the identity of the
 * executable, the process in its two innermost pid namespaces, and ids of other
 * profilers. user_stack_map.h fills it in.
 */
struct gadget_user_stack {
	__u32 major;
	__u32 minor;
	__u64 inode;
	__u64 mtime_sec;
	__u32 mtime_nsec;
	__u32 base_addr_hash;
	__u32 stack_id;
	__u32 tgid_level0;
	__u32 pid_level0;
	__u32 pidns_level0;
	__u32 pid_level1;
	__u32 pidns_level1;
	__u64 otel_correlation_id;
	__u64 boot_timestamp;
};

/* Longest path of a socket's owner. */
#define GADGET_SE_PATH_MAX 4096

/* port in host order. */
struct gadget_socket_key {
	__u32 netns;
	__u16 family;
	__u8 proto;
	__u16 port;
};

/*
 * The process behind a socket. Members move and may be missing, the loader
 * decides: read them by name, and ask bpf_core_field_exists() for cwd and exepath.
 */
struct gadget_socket_value {
	__u64 mntns;
	__u64 pid_tgid;
	__u64 uid_gid;
	char task[TASK_COMM_LEN];
	char ptask[TASK_COMM_LEN];
	__u64 sock;
	__u64 deletion_timestamp;
	__u32 ppid;
	__u32 ptid;
	char ipv6only;
	char cwd[GADGET_SE_PATH_MAX];
	char exepath[GADGET_SE_PATH_MAX];
} __attribute__((preserve_access_index));

#endif /* GADGET_TYPES_H */

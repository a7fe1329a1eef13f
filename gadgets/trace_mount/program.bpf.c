// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What is mounted and unmounted, or could not be.
 *
 * At the end of a system call its arguments are still in the registers. Only for
 * the time that it took is something noted at its beginning.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/syscall.h>
#include <gadget/types.h>

#define FS_LEN 32
#define DATA_LEN 256
#define PATH_LEN 512

/* In the upper half of the flags old programs put a number that means nothing. */
#define MS_MGC_VAL 0xc0ed0000
#define MS_MGC_MSK 0xffff0000

/* How many calls may be under way at once. */
#define MAX_CALLS 4096

/* What is asked of open_tree() and fsconfig(). */
#define OPEN_TREE_CLONE 1
#define FSCONFIG_STRING 1
#define FSCONFIG_CREATE 6

enum mount_op {
	mount,
	umount,
	fsopen,
	fsconfig,
	open_tree,
	move_mount,
};

enum mount_call_flags_set {
	MS_RDONLY = 1 << 0,
	MS_NOSUID = 1 << 1,
	MS_NODEV = 1 << 2,
	MS_NOEXEC = 1 << 3,
	MS_SYNCHRONOUS = 1 << 4,
	MS_REMOUNT = 1 << 5,
	MS_MANDLOCK = 1 << 6,
	MS_DIRSYNC = 1 << 7,
	MS_NOSYMFOLLOW = 1 << 8,
	MS_NOATIME = 1 << 10,
	MS_NODIRATIME = 1 << 11,
	MS_BIND = 1 << 12,
	MS_MOVE = 1 << 13,
	MS_REC = 1 << 14,
	MS_SILENT = 1 << 15,
	MS_POSIXACL = 1 << 16,
	MS_UNBINDABLE = 1 << 17,
	MS_PRIVATE = 1 << 18,
	MS_SLAVE = 1 << 19,
	MS_SHARED = 1 << 20,
	MS_RELATIME = 1 << 21,
	MS_I_VERSION = 1 << 23,
	MS_STRICTATIME = 1 << 24,
	MS_LAZYTIME = 1 << 25,
};

enum umount_call_flags_set {
	MNT_FORCE = 1 << 0,
	MNT_DETACH = 1 << 1,
	MNT_EXPIRE = 1 << 2,
	UMOUNT_NOFOLLOW = 1 << 3,
};

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	enum mount_op op_raw;
	char src[PATH_LEN];
	char dest[PATH_LEN];
	char fs[FS_LEN];
	enum mount_call_flags_set flags_raw;
	enum umount_call_flags_set umount_flags_raw;
	char data[DATA_LEN];
	gadget_errno error_raw;
	gadget_duration latency_raw;
};

const volatile bool failed = false;

GADGET_PARAM(failed);

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(mount, events, event);

/* When the call of a thread began. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CALLS);
	__type(key, __u32);
	__type(value, __u64);
} begun SEC(".maps");

/* The arguments of whichever call; strings are in the memory of the process. */
struct mount_request {
	enum mount_op op;
	__u32 flags;
	__u32 umount_flags;
	const char *src;
	const char *dest;
	const char *fs;
	const char *data;
};

static __always_inline bool is_mount_call(long nr)
{
	switch (nr) {
	case GADGET_NR_mount:
	case GADGET_NR_umount2:
	case GADGET_NR_fsopen:
	case GADGET_NR_fsconfig:
	case GADGET_NR_open_tree:
	case GADGET_NR_move_mount:
		return !gadget_in_compat_syscall();
	}
	return false;
}

/* Of the many calls that make up a file system, those that name it or make it. */
static __always_inline bool get_fsconfig(struct pt_regs *regs, struct mount_request *r)
{
	const char source[] = "source";
	char key[sizeof(source)] = {};

	switch ((__u32)GADGET_SYSCALL_ARG1(regs)) {
	case FSCONFIG_CREATE:
		return true;
	case FSCONFIG_STRING:
		bpf_probe_read_user_str(key, sizeof(key), (void *)GADGET_SYSCALL_ARG2(regs));
		r->src = (const char *)GADGET_SYSCALL_ARG3(regs);
		for (int i = 0; i < sizeof(key); i++) {
			if (key[i] != source[i])
				return false;
		}
		return true;
	}
	return false;
}

/* Reads the arguments, false when the call mounts nothing. */
static __always_inline bool get_request(struct pt_regs *regs, struct mount_request *r)
{
	switch (GADGET_SYSCALL_NR(regs)) {
	case GADGET_NR_mount:
		r->op = mount;
		r->src = (const char *)GADGET_SYSCALL_ARG0(regs);
		r->dest = (const char *)GADGET_SYSCALL_ARG1(regs);
		r->fs = (const char *)GADGET_SYSCALL_ARG2(regs);
		r->flags = GADGET_SYSCALL_ARG3(regs);
		r->data = (const char *)GADGET_SYSCALL_ARG4(regs);
		if ((r->flags & MS_MGC_MSK) == MS_MGC_VAL)
			r->flags &= ~MS_MGC_MSK;
		return true;
	case GADGET_NR_umount2:
		r->op = umount;
		r->dest = (const char *)GADGET_SYSCALL_ARG0(regs);
		r->umount_flags = GADGET_SYSCALL_ARG1(regs);
		return true;
	case GADGET_NR_fsopen:
		r->op = fsopen;
		r->fs = (const char *)GADGET_SYSCALL_ARG0(regs);
		return true;
	case GADGET_NR_fsconfig:
		r->op = fsconfig;
		return get_fsconfig(regs, r);
	case GADGET_NR_open_tree:
		r->op = open_tree;
		r->src = (const char *)GADGET_SYSCALL_ARG1(regs);
		return GADGET_SYSCALL_ARG2(regs) & OPEN_TREE_CLONE;
	case GADGET_NR_move_mount:
		r->op = move_mount;
		r->src = (const char *)GADGET_SYSCALL_ARG1(regs);
		r->dest = (const char *)GADGET_SYSCALL_ARG3(regs);
		return true;
	}
	return false;
}

/* An argument may be left out, and data need not be a string. */
static __always_inline void copy_string(char *dst, const __u32 size, const char *src)
{
	if (!src || bpf_probe_read_user_str(dst, size, src) < 0)
		dst[0] = '\0';
}

SEC("tp_btf/sys_enter")
int BPF_PROG(gadget_mount_begins, struct pt_regs *regs, long nr)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 now;

	if (!is_mount_call(nr) || gadget_should_discard_data_current())
		return 0;
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(&begun, &tid, &now, BPF_ANY);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(gadget_mount_ends, struct pt_regs *regs, long ret)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct mount_request r = {};
	struct event *event;
	__u64 latency = 0;
	__u64 *begin;

	if (!is_mount_call(GADGET_SYSCALL_NR(regs)) || gadget_should_discard_data_current())
		return 0;
	/* Nothing is known of a call that began before this gadget. */
	begin = bpf_map_lookup_elem(&begun, &tid);
	if (begin) {
		latency = bpf_ktime_get_ns() - *begin;
		bpf_map_delete_elem(&begun, &tid);
	}
	if ((failed && ret >= 0) || !get_request(regs, &r))
		return 0;

	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&event->proc);
	event->op_raw = r.op;
	event->flags_raw = r.flags;
	event->umount_flags_raw = r.umount_flags;
	event->error_raw = ret < 0 ? -ret : 0;
	event->latency_raw = latency;
	copy_string(event->src, sizeof(event->src), r.src);
	copy_string(event->dest, sizeof(event->dest), r.dest);
	copy_string(event->fs, sizeof(event->fs), r.fs);
	copy_string(event->data, sizeof(event->data), r.data);
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

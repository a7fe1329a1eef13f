// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Programs that processes execute, or fail to.
 *
 * A successful execve is seen where the kernel commits to it: the arguments lie
 * in the new address space in one piece, however many there are, whoever started
 * it in whichever way. A failed one is seen at the end of the system call, where
 * the arguments are collected from the caller's memory.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filesystem.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/syscall.h>
#include <gadget/types.h>

#define NAME_LEN 256
#define TTY_LEN 16

/*
 * Room for arguments behind an event, in bytes. A reservation has a constant
 * size, so there are a few of them to choose from. The largest holds whatever
 * the default stack limit lets a program be given.
 */
#define ROOM_SMALL 512
#define ROOM_MEDIUM 4096
#define ROOM_LARGE (64 * 1024)
#define ROOM_HUGE (2 * 1024 * 1024)

/* How many arguments of a failed execve are looked at. */
#define FAILED_ARGS 512

struct exec_paths {
	char cwd[GADGET_PATH_MAX];
	char exepath[GADGET_PATH_MAX];
};

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	gadget_errno error_raw;
	__u32 args_count;
	/* How many bytes of arguments follow the struct; less than there were if truncated. */
	__u32 args_len;
	bool args_truncated;
	__u32 loginuid;
	__u32 sessionid;
	char tty[TTY_LEN];
	/* What was executed, as the caller wrote it. */
	char file[NAME_LEN];
	/* With --paths; the order is that of struct exec_paths. */
	char cwd[GADGET_PATH_MAX];
	char exepath[GADGET_PATH_MAX];
};

const volatile bool ignore_failed = true;
const volatile bool paths = false;

GADGET_PARAM(ignore_failed);
GADGET_PARAM(paths);

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(exec, events, event);

/*
 * Paths are found out before the room for the event is reserved: there are several
 * ways to reserve, and the verifier would follow both walks for each of them.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exec_paths);
} found_paths SEC(".maps");

static __always_inline void copy_path(char *dst, const struct path *at)
{
	struct path path;
	char *str;

	bpf_core_read(&path, sizeof(path), at);
	str = get_path_str(&path);
	if (!str || bpf_probe_read_kernel_str(dst, GADGET_PATH_MAX, str) < 0)
		dst[0] = '\0';
}

/* The paths of the current process, NULL when nobody wants them. */
static __always_inline struct exec_paths *find_paths(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fs_struct *fs = BPF_CORE_READ(task, fs);
	struct file *exe = BPF_CORE_READ(task, mm, exe_file);
	struct exec_paths *found;
	__u32 zero = 0;

	if (!paths)
		return 0;
	found = bpf_map_lookup_elem(&found_paths, &zero);
	if (!found)
		return 0;
	copy_path(found->cwd, &fs->pwd);
	copy_path(found->exepath, &exe->f_path);
	return found;
}

/* Everything but what was executed and with which result. */
static __always_inline void fill_process(struct event *event, struct exec_paths *found)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct tty_struct *tty = BPF_CORE_READ(task, signal, tty);

	event->timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&event->proc);

	/* Both are there only in kernels with auditing; -1 is how it says "unset". */
	event->loginuid = -1;
	event->sessionid = -1;
	if (bpf_core_field_exists(task->loginuid))
		event->loginuid = BPF_CORE_READ(task, loginuid.val);
	if (bpf_core_field_exists(task->sessionid))
		event->sessionid = BPF_CORE_READ(task, sessionid);

	event->tty[0] = '\0';
	if (tty)
		bpf_core_read_str(event->tty, sizeof(event->tty), &tty->name);

	event->cwd[0] = '\0';
	event->exepath[0] = '\0';
	if (found)
		bpf_probe_read_kernel(event->cwd, sizeof(*found), found);
}

/* An event with room for len bytes, or for as many as can be had: *room. */
static __always_inline struct event *reserve(__u64 len, __u64 *room)
{
	struct event *event = 0;

	if (len <= ROOM_SMALL) {
		*room = ROOM_SMALL;
		return gadget_reserve_buf(&events, sizeof(*event) + ROOM_SMALL);
	}
	if (len > ROOM_LARGE) {
		*room = ROOM_HUGE;
		event = gadget_try_reserve_buf(&events, sizeof(*event) + ROOM_HUGE);
	} else if (len > ROOM_MEDIUM) {
		*room = ROOM_LARGE;
		event = gadget_try_reserve_buf(&events, sizeof(*event) + ROOM_LARGE);
	}
	if (event)
		return event;
	/* The beginning of the arguments is better than nothing. */
	*room = ROOM_MEDIUM;
	return gadget_reserve_buf(&events, sizeof(*event) + ROOM_MEDIUM);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(gadget_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	struct exec_paths *found;
	struct event *event;
	__u64 start, len, room;

	if (gadget_should_discard_data_current())
		return 0;

	start = task->mm->arg_start;
	len = task->mm->arg_end - start;
	found = find_paths();
	event = reserve(len, &room);
	if (!event)
		return 0;

	fill_process(event, found);
	event->error_raw = 0;
	event->args_count = bprm->argc;
	event->args_truncated = len > room;
	if (len > room)
		len = room;
	if (bpf_probe_read_user(event + 1, len, (void *)start)) {
		event->args_truncated = true;
		len = 0;
	}
	event->args_len = len;
	if (bpf_probe_read_kernel_str(event->file, sizeof(event->file), bprm->filename) < 0)
		event->file[0] = '\0';
	gadget_submit_buf(ctx, &events, event, sizeof(*event) + room);
	return 0;
}

/*
 * Collects arguments behind an event that has room for twice as many bytes: so
 * each of them may be read with room for all, wherever the one before has ended.
 */
static __always_inline void collect_args(struct event *event, const char *const *argv,
					 const __u32 room)
{
	char *args = (char *)(event + 1);
	const char *arg;
	__u32 len = 0;
	long n;

	event->args_count = 0;
	event->args_truncated = true;
	for (int i = 0; i < FAILED_ARGS; i++) {
		if (bpf_probe_read_user(&arg, sizeof(arg), &argv[i]) || !arg) {
			event->args_truncated = false;
			break;
		}
		if (len >= room)
			break;
		n = bpf_probe_read_user_str(args + len, room, arg);
		if (n <= 0)
			break;
		event->args_count++;
		len += n;
		/* A string that fills all room is not all of it. */
		if (n >= room)
			break;
	}
	event->args_len = len;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(gadget_exec_failed, struct pt_regs *regs, long ret)
{
	const char *const *argv;
	const char *file;
	struct exec_paths *found;
	struct event *event;
	long nr;

	if (ignore_failed || ret >= 0)
		return 0;
	nr = GADGET_SYSCALL_NR(regs);
	if (nr == GADGET_NR_execve) {
		file = (const char *)GADGET_SYSCALL_ARG0(regs);
		argv = (const char *const *)GADGET_SYSCALL_ARG1(regs);
	} else if (nr == GADGET_NR_execveat) {
		file = (const char *)GADGET_SYSCALL_ARG1(regs);
		argv = (const char *const *)GADGET_SYSCALL_ARG2(regs);
	} else {
		return 0;
	}
	if (gadget_in_compat_syscall() || gadget_should_discard_data_current())
		return 0;

	found = find_paths();
	event = gadget_reserve_buf(&events, sizeof(*event) + 2 * ROOM_MEDIUM);
	if (!event)
		return 0;
	collect_args(event, argv, ROOM_MEDIUM);
	fill_process(event, found);
	event->error_raw = -ret;
	if (bpf_probe_read_user_str(event->file, sizeof(event->file), file) < 0)
		event->file[0] = '\0';
	gadget_submit_buf(ctx, &events, event, sizeof(*event) + 2 * ROOM_MEDIUM);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

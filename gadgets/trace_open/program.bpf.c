// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Files that processes open, or fail to.
 *
 * One program at the end of all system calls does it: the arguments are still in
 * the registers then, the result is known, and the page with the file's name has
 * been touched. It looks at the number first, so other calls cost next to nothing.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filesystem.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/syscall.h>
#include <gadget/types.h>

#define NAME_LEN 256

/* Open flags that are the same on all machines but for the third. */
#define O_WRONLY 01
#define O_CREAT 0100
#define O_TRUNC 01000
/* Without O_DIRECTORY, of which it is a part. */
#define O_TMPFILE 020000000

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	gadget_errno error_raw;
	__u32 fd;
	gadget_file_flags flags_raw;
	gadget_file_mode mode_raw;
	/* As the process wrote it. */
	char fname[NAME_LEN];
	/* Where it led, with --paths. Not sent otherwise, hence last. */
	char fpath[GADGET_PATH_MAX];
};

const volatile bool failed = false;
const volatile bool paths = false;

GADGET_PARAM(failed);
GADGET_PARAM(paths);

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(open, events, event);

/* What was asked for, whichever call asked. */
struct open_request {
	const char *name;
	__u64 flags;
	__u64 mode;
};

/* Reads the arguments, false when it is another system call. */
static __always_inline bool get_request(struct pt_regs *regs, struct open_request *r)
{
	struct open_how how = {};

	switch (GADGET_SYSCALL_NR(regs)) {
	case GADGET_NR_openat:
		r->name = (const char *)GADGET_SYSCALL_ARG1(regs);
		r->flags = GADGET_SYSCALL_ARG2(regs);
		r->mode = GADGET_SYSCALL_ARG3(regs);
		return true;
	case GADGET_NR_openat2:
		bpf_probe_read_user(&how, sizeof(how), (void *)GADGET_SYSCALL_ARG2(regs));
		r->name = (const char *)GADGET_SYSCALL_ARG1(regs);
		r->flags = how.flags;
		r->mode = how.mode;
		return true;
#if GADGET_NR_open >= 0
	case GADGET_NR_open:
		r->name = (const char *)GADGET_SYSCALL_ARG0(regs);
		r->flags = GADGET_SYSCALL_ARG1(regs);
		r->mode = GADGET_SYSCALL_ARG2(regs);
		return true;
	case GADGET_NR_creat:
		r->name = (const char *)GADGET_SYSCALL_ARG0(regs);
		r->flags = O_CREAT | O_WRONLY | O_TRUNC;
		r->mode = GADGET_SYSCALL_ARG1(regs);
		return true;
#endif
	default:
		return false;
	}
}

static __always_inline void fill(struct event *event, struct open_request *r, long ret)
{
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&event->proc);
	event->error_raw = ret < 0 ? -ret : 0;
	event->fd = ret < 0 ? 0 : ret;
	event->flags_raw = r->flags;
	/* Otherwise nobody has set the argument, or looks at it. */
	event->mode_raw = r->flags & (O_CREAT | O_TMPFILE) ? r->mode : 0;
	if (bpf_probe_read_user_str(event->fname, sizeof(event->fname), r->name) < 0)
		event->fname[0] = '\0';
}

SEC("tp_btf/sys_exit")
int BPF_PROG(gadget_open, struct pt_regs *regs, long ret)
{
	struct open_request r;
	struct event *event;

	if (failed && ret >= 0)
		return 0;
	if (!get_request(regs, &r) || gadget_in_compat_syscall())
		return 0;
	if (gadget_should_discard_data_current())
		return 0;

	if (!paths) {
		const __u64 size = offsetof(struct event, fpath);

		event = gadget_reserve_buf(&events, size);
		if (!event)
			return 0;
		fill(event, &r, ret);
		gadget_submit_buf(ctx, &events, event, size);
		return 0;
	}

	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	fill(event, &r, ret);
	if (ret < 0 || read_full_path_of_open_file_fd(ret, event->fpath, GADGET_PATH_MAX) < 0)
		event->fpath[0] = '\0';
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * How much processes read from files and write to them.
 *
 * One program at the end of all system calls looks for those that transfer data:
 * then the result says how much it was, and the file is found by its descriptor.
 */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include <gadget/common.h>
#include <gadget/filesystem.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/syscall.h>
#include <gadget/types.h>

/* Bits of a mode that say what a file is. */
#define S_IFMT 0170000
#define S_IFREG 0100000
#define S_IFSOCK 0140000

/* In the place of a descriptor: none. */
#define NONE -1

/* Regular file, socket, other. */
enum file_type {
	R,
	S,
	O,
};

struct file_key {
	__u64 inode;
	__u32 dev;
	__u32 __tid;
};

struct file_stats {
	struct gadget_process proc;
	__u64 reads;
	__u64 writes;
	gadget_bytes rbytes_raw;
	gadget_bytes wbytes_raw;
	enum file_type t_raw;
	char file[GADGET_PATH_MAX];
};

const volatile bool all_files = false;
const volatile __u32 files_max_entries = 10240;

GADGET_PARAM(all_files);
GADGET_PARAM(files_max_entries);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct file_key);
	__type(value, struct file_stats);
} files SEC(".maps");

GADGET_MAPITER(file, files);

/* A row is larger than the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct file_stats);
} rows SEC(".maps");

/* From which descriptor to which data went. */
struct transfer {
	int from;
	int to;
};

/* Reads the arguments, false when it is another system call. */
static __always_inline bool get_transfer(struct pt_regs *regs, struct transfer *t)
{
	switch (GADGET_SYSCALL_NR(regs)) {
	case GADGET_NR_read:
	case GADGET_NR_readv:
	case GADGET_NR_pread64:
	case GADGET_NR_preadv:
	case GADGET_NR_preadv2:
		t->from = GADGET_SYSCALL_ARG0(regs);
		return true;
	case GADGET_NR_write:
	case GADGET_NR_writev:
	case GADGET_NR_pwrite64:
	case GADGET_NR_pwritev:
	case GADGET_NR_pwritev2:
		t->to = GADGET_SYSCALL_ARG0(regs);
		return true;
	case GADGET_NR_sendfile:
		t->to = GADGET_SYSCALL_ARG0(regs);
		t->from = GADGET_SYSCALL_ARG1(regs);
		return true;
	case GADGET_NR_splice:
	case GADGET_NR_copy_file_range:
		t->from = GADGET_SYSCALL_ARG0(regs);
		t->to = GADGET_SYSCALL_ARG2(regs);
		return true;
	default:
		return false;
	}
}

static __always_inline enum file_type type_of(struct inode *inode)
{
	switch (BPF_CORE_READ(inode, i_mode) & S_IFMT) {
	case S_IFREG:
		return R;
	case S_IFSOCK:
		return S;
	default:
		return O;
	}
}

/* A row for a file that the map does not have yet, NULL when there is no room. */
static __always_inline struct file_stats *add(struct file_key *key, struct file *file,
					      enum file_type type)
{
	__u32 zero = 0;
	struct file_stats *row = bpf_map_lookup_elem(&rows, &zero);

	if (!row)
		return 0;
	gadget_process_populate(&row->proc);
	row->t_raw = type;
	gadget_read_file_name(row->file, file);
	bpf_map_update_elem(&files, key, row, BPF_NOEXIST);
	return bpf_map_lookup_elem(&files, key);
}

static __noinline int account(int fd, __u64 bytes, bool write)
{
	struct file *file = get_struct_file_for_fd(fd);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	enum file_type type = type_of(inode);
	struct file_key key = {};
	struct file_stats *stats;

	if (!inode || (type != R && !all_files))
		return 0;
	key.inode = BPF_CORE_READ(inode, i_ino);
	key.dev = BPF_CORE_READ(inode, i_sb, s_dev);
	key.__tid = bpf_get_current_pid_tgid();
	stats = bpf_map_lookup_elem(&files, &key);
	if (!stats)
		stats = add(&key, file, type);
	if (!stats)
		return 0;
	if (write) {
		__sync_fetch_and_add(&stats->writes, 1);
		__sync_fetch_and_add(&stats->wbytes_raw, bytes);
	} else {
		__sync_fetch_and_add(&stats->reads, 1);
		__sync_fetch_and_add(&stats->rbytes_raw, bytes);
	}
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(gadget_transferred, struct pt_regs *regs, long ret)
{
	struct transfer t = {NONE, NONE};

	if (ret < 0 || !get_transfer(regs, &t) || gadget_in_compat_syscall() ||
	    gadget_should_discard_data_current())
		return 0;
	if (t.from != NONE)
		account(t.from, ret, false);
	if (t.to != NONE)
		account(t.to, ret, true);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

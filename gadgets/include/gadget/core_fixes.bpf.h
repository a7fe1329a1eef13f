/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * One answer for all kernels where a struct has changed over time. The types with
 * three underscores are what other kernels call it: CO-RE ignores that suffix,
 * and finds out at load time which of them the running kernel has.
 */
#ifndef GADGET_CORE_FIXES_BPF_H
#define GADGET_CORE_FIXES_BPF_H

#include <gadget/kernel.h>

#define __GADGET_FLAVOUR __attribute__((preserve_access_index))

/*
 * Code that must not be reached: the kernel refuses the program if it can be.
 * The number is the one loaders give to a call that could not be relocated, so
 * their message explains it.
 */
static void (*const bpf_core_unreachable)(void) __attribute__((unused)) = (void *)0xbad2310;

/* task_struct.state became __state in 5.14. */
struct task_struct___before_5_14 {
	long state;
} __GADGET_FLAVOUR;

struct task_struct___since_5_14 {
	unsigned int __state;
} __GADGET_FLAVOUR;

static __always_inline __s64 get_task_state(void *task)
{
	struct task_struct___since_5_14 *now = task;
	struct task_struct___before_5_14 *old = task;

	if (bpf_core_field_exists(now->__state))
		return BPF_CORE_READ(now, __state);
	return BPF_CORE_READ(old, state);
}

/* bio.bi_disk became bio.bi_bdev->bd_disk in 5.12. */
struct gendisk;

struct block_device___since_5_12 {
	struct gendisk *bd_disk;
} __GADGET_FLAVOUR;

struct bio___since_5_12 {
	struct block_device___since_5_12 *bi_bdev;
} __GADGET_FLAVOUR;

struct bio___before_5_12 {
	struct gendisk *bi_disk;
} __GADGET_FLAVOUR;

/* The disk of a struct bio. */
static __always_inline struct gendisk *get_gendisk(void *bio)
{
	struct bio___since_5_12 *now = bio;
	struct bio___before_5_12 *old = bio;

	if (bpf_core_field_exists(now->bi_bdev))
		return BPF_CORE_READ(now, bi_bdev, bd_disk);
	return BPF_CORE_READ(old, bi_disk);
}

/* request.rq_disk became request.q->disk in 5.17. */
struct request_queue___since_5_17 {
	struct gendisk *disk;
} __GADGET_FLAVOUR;

struct request___since_5_17 {
	struct request_queue___since_5_17 *q;
} __GADGET_FLAVOUR;

struct request___before_5_17 {
	struct gendisk *rq_disk;
} __GADGET_FLAVOUR;

static __always_inline struct gendisk *get_disk(void *request)
{
	struct request___since_5_17 *now = request;
	struct request___before_5_17 *old = request;

	if (bpf_core_field_exists(old->rq_disk))
		return BPF_CORE_READ(old, rq_disk);
	return BPF_CORE_READ(now, q, disk);
}

/*
 * Tracepoints block_rq_insert and block_rq_issue were given the queue before the
 * request until 5.11, and in early 5.10. Of a function's type the number and the
 * kinds of its parameters are compared.
 */
typedef void (*btf_trace_block_rq_issue___with_queue)(void *, struct request_queue___since_5_17 *,
						      struct request___before_5_17 *);

/*
 * The request of one of them, from the context of a raw tracepoint. The compiler
 * would choose the address and load from there, which kernels before 5.11 refuse.
 */
static __always_inline void *gadget_get_block_rq(struct bpf_raw_tracepoint_args *ctx)
{
	void *rq;

	if (bpf_core_type_exists(btf_trace_block_rq_issue___with_queue))
		asm volatile("%0 = *(u64 *)(%1 + 8)" : "=r"(rq) : "r"(ctx));
	else
		asm volatile("%0 = *(u64 *)(%1 + 0)" : "=r"(rq) : "r"(ctx));
	return rq;
}

/* Tracepoint block_rq_complete has a struct of its own since 5.18, shared with block_rq_error. */
struct trace_event_raw_block_rq_completion___since_5_18 {
	unsigned int nr_sector;
} __GADGET_FLAVOUR;

static __always_inline bool has_block_rq_completion(void)
{
	return bpf_core_type_exists(struct trace_event_raw_block_rq_completion___since_5_18);
}

/* vfs_create() and others take a user namespace since 5.12, an id map since 6.3. */
struct renamedata___others {
	struct user_namespace *old_mnt_userns;
	struct mnt_idmap *new_mnt_idmap;
} __GADGET_FLAVOUR;

static __always_inline bool renamedata_has_old_mnt_userns_field(void)
{
	return bpf_core_field_exists(((struct renamedata___others *)0)->old_mnt_userns);
}

/* The same for its member new_mnt_idmap. */
static __always_inline bool renamedata_has_new_mnt_idmap_field(void)
{
	return bpf_core_field_exists(((struct renamedata___others *)0)->new_mnt_idmap);
}

/* Tracepoints kfree and kmem_cache_free have structs of their own since 5.12. */
struct trace_event_raw_kfree___since_5_12 {
	const void *ptr;
} __GADGET_FLAVOUR;

struct trace_event_raw_kmem_cache_free___since_5_12 {
	const void *ptr;
} __GADGET_FLAVOUR;

static __always_inline bool has_kfree(void)
{
	return bpf_core_type_exists(struct trace_event_raw_kfree___since_5_12);
}

/* The same for the tracepoint kmem_cache_free. */
static __always_inline bool has_kmem_cache_free(void)
{
	return bpf_core_type_exists(struct trace_event_raw_kmem_cache_free___since_5_12);
}

/* Tracepoint tcp_retransmit_skb shared its struct with others before 6.13. */
struct trace_event_raw_tcp_event_sk_skb___before_6_13 {
	const void *skbaddr;
	const void *skaddr;
} __GADGET_FLAVOUR;

struct trace_event_raw_tcp_retransmit_skb___since_6_13 {
	const void *skbaddr;
	const void *skaddr;
} __GADGET_FLAVOUR;

#define __GADGET_TCP_RETRANSMIT(member)                                                            \
	static __always_inline void *gadget_get_tcp_retransmit_skb_##member(void *ctx)             \
	{                                                                                          \
		struct trace_event_raw_tcp_retransmit_skb___since_6_13 *now = ctx;                 \
		struct trace_event_raw_tcp_event_sk_skb___before_6_13 *old = ctx;                  \
                                                                                                   \
		if (bpf_core_field_exists(now->member))                                            \
			return (void *)BPF_CORE_READ(now, member);                                 \
		return (void *)BPF_CORE_READ(old, member);                                         \
	}

__GADGET_TCP_RETRANSMIT(skbaddr)
__GADGET_TCP_RETRANSMIT(skaddr)

#undef __GADGET_TCP_RETRANSMIT

/* inode.i_ctime became __i_ctime in 6.6 and was split in two in 6.11. */
struct inode___since_6_11 {
	__s64 i_ctime_sec;
	__u32 i_ctime_nsec;
} __GADGET_FLAVOUR;

struct timespec64___any {
	__s64 tv_sec;
	long tv_nsec;
} __GADGET_FLAVOUR;

struct inode___since_6_6 {
	struct timespec64___any __i_ctime;
} __GADGET_FLAVOUR;

struct inode___before_6_6 {
	struct timespec64___any i_ctime;
} __GADGET_FLAVOUR;

/* The time of the last change of an inode, in nanoseconds since the Unix epoch. */
static __always_inline __u64 gadget_get_ctime_nanosec_from_inode(void *inode)
{
	struct inode___since_6_11 *now = inode;
	struct inode___since_6_6 *mid = inode;
	struct inode___before_6_6 *old = inode;

	if (bpf_core_field_exists(now->i_ctime_sec))
		return BPF_CORE_READ(now, i_ctime_sec) * 1000000000ULL +
		       BPF_CORE_READ(now, i_ctime_nsec);
	if (bpf_core_field_exists(mid->__i_ctime))
		return BPF_CORE_READ(mid, __i_ctime.tv_sec) * 1000000000ULL +
		       BPF_CORE_READ(mid, __i_ctime.tv_nsec);
	return BPF_CORE_READ(old, i_ctime.tv_sec) * 1000000000ULL +
	       BPF_CORE_READ(old, i_ctime.tv_nsec);
}

/* The registers of a system call, the same source for both machine types. */
struct pt_regs;

struct pt_regs___on_x86 {
	unsigned long di, si, dx, r10, r8, r9, orig_ax;
} __GADGET_FLAVOUR;

struct pt_regs___on_arm64 {
	__u64 regs[31];
	__u64 orig_x0;
	__s32 syscallno;
} __GADGET_FLAVOUR;

/* The number of a system call, from the registers at its beginning or end. */
static __always_inline long gadget_get_syscall_nr(struct pt_regs *regs)
{
	struct pt_regs___on_x86 *x86 = (void *)regs;
	struct pt_regs___on_arm64 *arm64 = (void *)regs;

	if (bpf_core_field_exists(x86->orig_ax))
		return BPF_CORE_READ(x86, orig_ax);
	if (bpf_core_field_exists(arm64->syscallno))
		return BPF_CORE_READ(arm64, syscallno);
	return -1;
}

#define __GADGET_SYSCALL_ARG(n, x86_member, arm64_member)                                          \
	static __always_inline unsigned long gadget_get_syscall_arg##n(struct pt_regs *regs)       \
	{                                                                                          \
		struct pt_regs___on_x86 *x86 = (void *)regs;                                       \
		struct pt_regs___on_arm64 *arm64 = (void *)regs;                                   \
                                                                                                   \
		if (bpf_core_field_exists(x86->x86_member))                                        \
			return BPF_CORE_READ(x86, x86_member);                                     \
		if (bpf_core_field_exists(arm64->arm64_member))                                    \
			return BPF_CORE_READ(arm64, arm64_member);                                 \
		return 0;                                                                          \
	}

/* arm64 overwrites the first argument with the return value and keeps a copy. */
__GADGET_SYSCALL_ARG(1, di, orig_x0)
__GADGET_SYSCALL_ARG(2, si, regs[1])
__GADGET_SYSCALL_ARG(3, dx, regs[2])
__GADGET_SYSCALL_ARG(4, r10, regs[3])
__GADGET_SYSCALL_ARG(5, r8, regs[4])
__GADGET_SYSCALL_ARG(6, r9, regs[5])

#undef __GADGET_SYSCALL_ARG

#endif /* GADGET_CORE_FIXES_BPF_H */

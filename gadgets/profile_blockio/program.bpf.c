// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* How long requests to block devices take, as a histogram. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include <gadget/bits.bpf.h>
#include <gadget/core_fixes.bpf.h>
#include <gadget/macros.h>
#include <gadget/maps.bpf.h>
#include <gadget/types.h>

/* Disks times operations. */
#define MAX_SERIES 1024

/* Slot n has the latencies below 2^n microseconds; the last one all longer ones. */
#define SLOTS 32

#define NS_PER_US 1000

/* What a map says of a key that it has already. */
#define EEXIST 17

/* DISK_NAME_LEN */
#define DISK_SIZE 32
#define OPERATION_SIZE 16

/* The bits of cmd_flags that say what a request does, and their values (include/linux/blk_types.h).
 */
#define REQ_OP_MASK 0xff
#define OP_READ 0
#define OP_WRITE 1
#define OP_FLUSH 2
#define OP_DISCARD 3
#define OP_SECURE_ERASE 5
#define OP_WRITE_ZEROES 9

struct series {
	char disk[DISK_SIZE];
	char operation[OPERATION_SIZE];
};

struct histogram {
	gadget_histogram_slot__u32 latency[SLOTS];
};

const volatile bool queued = false;
const volatile bool per_disk = false;
const volatile bool per_operation = false;
/* Requests that can be on their way at the same time. */
const volatile __u32 starts_max_entries = 16384;

GADGET_PARAM(queued);
GADGET_PARAM(per_disk);
GADGET_PARAM(per_operation);
GADGET_PARAM(starts_max_entries);

/* When the requests began that are on their way, by the address of the request. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct request *);
	__type(value, __u64);
} starts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_SERIES);
	__type(key, struct series);
	__type(value, struct histogram);
} histograms SEC(".maps");

GADGET_MAPITER(blockio, histograms);

/* Requests for which one of the maps had no room. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} histograms_lost_samples SEC(".maps");

/* A histogram of nothing, larger than what the stack should hold. */
static const struct histogram empty;

static __always_inline void count_lost(void)
{
	__u32 zero = 0;
	__u64 *lost = bpf_map_lookup_elem(&histograms_lost_samples, &zero);

	/* Atomic: requests complete in interrupts. */
	if (lost)
		__sync_fetch_and_add(lost, 1);
}

static __always_inline long start(struct request *rq, __u64 flags)
{
	__u64 now = bpf_ktime_get_ns();

	return bpf_map_update_elem(&starts, &rq, &now, flags);
}

/* One that finds no room has another chance when it is issued. */
SEC("raw_tp/block_rq_insert")
int ig_insert(struct bpf_raw_tracepoint_args *ctx)
{
	if (queued)
		start(gadget_get_block_rq(ctx), BPF_ANY);
	return 0;
}

/*
 * Without a scheduler a request is issued without being inserted before, and with
 * one some are, too.
 */
SEC("raw_tp/block_rq_issue")
int ig_issue(struct bpf_raw_tracepoint_args *ctx)
{
	struct request *rq = gadget_get_block_rq(ctx);
	bool inserted = queued && BPF_CORE_READ(rq, q, elevator);

	/* Not only a full map refuses: so does one that this interrupts at work. */
	long err = start(rq, inserted ? BPF_NOEXIST : BPF_ANY);

	if (err && err != -EEXIST)
		count_lost();
	return 0;
}

#define NAME(dst, text) __builtin_memcpy(dst, text, sizeof(text))

static __always_inline void name_operation(char *dst, __u32 operation)
{
	switch (operation) {
	case OP_READ:
		NAME(dst, "read");
		break;
	case OP_WRITE:
		NAME(dst, "write");
		break;
	case OP_FLUSH:
		NAME(dst, "flush");
		break;
	case OP_DISCARD:
		NAME(dst, "discard");
		break;
	case OP_SECURE_ERASE:
		NAME(dst, "secure_erase");
		break;
	case OP_WRITE_ZEROES:
		NAME(dst, "write_zeroes");
		break;
	default:
		NAME(dst, "other");
	}
}

SEC("raw_tp/block_rq_complete")
int ig_complete(struct bpf_raw_tracepoint_args *ctx)
{
	struct request *rq = (struct request *)ctx->args[0];
	__u64 *begun = bpf_map_lookup_elem(&starts, &rq);
	struct series series = {};
	struct histogram *h;
	__u64 slot;

	if (!begun)
		return 0;
	slot = get_slot_idx((bpf_ktime_get_ns() - *begun) / NS_PER_US);
	bpf_map_delete_elem(&starts, &rq);

	if (per_disk) {
		struct gendisk *disk = get_disk(rq);

		if (disk)
			bpf_probe_read_kernel_str(series.disk, sizeof(series.disk),
						  BPF_CORE_READ(disk, disk_name));
	}
	if (per_operation)
		name_operation(series.operation, BPF_CORE_READ(rq, cmd_flags) & REQ_OP_MASK);

	h = bpf_map_lookup_or_try_init(&histograms, &series, &empty);
	if (!h) {
		count_lost();
		return 0;
	}
	if (slot >= SLOTS)
		slot = SLOTS - 1;
	__sync_fetch_and_add(&h->latency[slot], 1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

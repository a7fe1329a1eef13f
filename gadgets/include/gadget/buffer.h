/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The way of an event to user space:
 *
 *	GADGET_TRACER_MAP(events, 1024 * 256);
 *	GADGET_TRACER(open, events, event);
 *
 *	struct event *event = gadget_reserve_buf(&events, sizeof(*event));
 *	if (!event)
 *		return 0;
 *	...
 *	gadget_submit_buf(ctx, &events, event, sizeof(*event));
 *
 * It is a ring buffer where the kernel has them (5.8), else a perf event array
 * with a per-CPU scratch area in place of the reservation. What finds no room is
 * counted in the map <name>_lost_samples. The map is always given as &name.
 */
#ifndef GADGET_BUFFER_H
#define GADGET_BUFFER_H

#include <gadget/kernel.h>
#include <gadget/macros.h>

/* Largest event where there is no ring buffer. */
#ifndef GADGET_MAX_EVENT_SIZE
#define GADGET_MAX_EVENT_SIZE 10240
#endif

/* Defines the buffer name with room for size bytes and its loss counter. */
#define GADGET_TRACER_MAP(name, size)                                                              \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                \
		__uint(max_entries, size);                                                         \
	} name SEC(".maps");                                                                       \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);                                           \
		__uint(max_entries, 1);                                                            \
		__type(key, __u32);                                                                \
		__type(value, __u64);                                                              \
	} name##_lost_samples SEC(".maps");                                                        \
	__GADGET_DECLARE(gadget_map_tracer_##name)

static __always_inline bool __gadget_has_ringbuf(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_ringbuf_reserve);
}

static __always_inline void __gadget_count_lost(void *lost)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(lost, &zero);

	/* Atomic: an interrupt on this CPU may lose an event between load and store. */
	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline long __gadget_output_buf(void *ctx, void *map, void *lost, void *buf,
						__u64 size)
{
	if (!__gadget_has_ringbuf())
		return bpf_perf_event_output(ctx, map, BPF_F_CURRENT_CPU, buf, size);
	if (bpf_ringbuf_output(map, buf, size, 0))
		__gadget_count_lost(lost);
	return 0;
}

/* Sends size bytes at buf, which may be anywhere. Not 0 on a failed perf output. */
#define gadget_output_buf(ctx, map, buf, size)                                                     \
	__gadget_output_buf(ctx, map, map##_lost_samples, buf, size)

/* A program that only uses gadget_output_buf() can do without the scratch area. */
#ifndef GADGET_NO_BUF_RESERVE

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, GADGET_MAX_EVENT_SIZE);
} gadget_heap SEC(".maps");

static __always_inline void *__gadget_try_reserve_buf(void *map, __u64 size)
{
	__u32 zero = 0;

	if (__gadget_has_ringbuf())
		return bpf_ringbuf_reserve(map, size, 0);
	if (size > GADGET_MAX_EVENT_SIZE)
		return 0;
	return bpf_map_lookup_elem(&gadget_heap, &zero);
}

static __always_inline void *__gadget_reserve_buf(void *map, void *lost, __u64 size)
{
	void *buf = __gadget_try_reserve_buf(map, size);

	if (!buf)
		__gadget_count_lost(lost);
	return buf;
}

/*
 * Room for one event of size bytes, a constant, or NULL. The bytes hold whatever
 * was there before: set every member. Must end in gadget_submit_buf() or
 * gadget_discard_buf().
 */
#define gadget_reserve_buf(map, size) __gadget_reserve_buf(map, map##_lost_samples, size)

/* The same, for who has a second choice: no room does not count as a lost event. */
#define gadget_try_reserve_buf(map, size) __gadget_try_reserve_buf(map, size)

/* Gives a reservation back unsent. */
static __always_inline void gadget_discard_buf(void *buf)
{
	if (__gadget_has_ringbuf())
		bpf_ringbuf_discard(buf, 0);
}

/* Sends a reservation. */
static __always_inline long gadget_submit_buf(void *ctx, void *map, void *buf, __u64 size)
{
	if (!__gadget_has_ringbuf())
		return bpf_perf_event_output(ctx, map, BPF_F_CURRENT_CPU, buf, size);
	bpf_ringbuf_submit(buf, 0);
	return 0;
}

#endif /* GADGET_NO_BUF_RESERVE */

#endif /* GADGET_BUFFER_H */

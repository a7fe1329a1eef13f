// SPDX-License-Identifier: GPL-2.0
// Programs that no verifier accepts, one mistake each. A test loads them one by one.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>

struct wide {
	__u32 a;
	__u64 b;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64[8]);
} values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct wide);
	__type(value, struct wide);
} wide SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct locked {
	struct bpf_spin_lock lock;
	__u64 n;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct locked);
} locks SEC(".maps");

const volatile __u64 constant = 1;

SEC("raw_tp/sys_enter")
int null_value(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&counts, &key);

	*value += 1;
	return 0;
}

SEC("raw_tp/sys_enter")
int null_record(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 *record = bpf_ringbuf_reserve(&ring, 8, 0);

	*record = 1;
	bpf_ringbuf_submit(record, 0);
	return 0;
}

SEC("raw_tp/sys_enter")
int null_arithmetic(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 key = 0;
	char *value = bpf_map_lookup_elem(&counts, &key);

	value += 8;
	asm volatile("" : "+r"(value));
	return *value;
}

SEC("raw_tp/sys_enter")
int number_as_pointer(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];

	return task->pid;
}

SEC("raw_tp/sys_enter")
int record_kept(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 *record = bpf_ringbuf_reserve(&ring, 8, 0);

	if (!record)
		return 0;
	*record = 1;
	if (ctx->args[1] == 1)
		return 0;
	bpf_ringbuf_submit(record, 0);
	return 0;
}

SEC("raw_tp/sys_enter")
int record_twice(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 *record = bpf_ringbuf_reserve(&ring, 8, 0);

	if (!record)
		return 0;
	bpf_ringbuf_submit(record, 0);
	bpf_ringbuf_submit(record, 0);
	return 0;
}

SEC("raw_tp/sys_enter")
int index_unbounded(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &key);

	if (!value)
		return 0;
	return value[ctx->args[1]];
}

SEC("raw_tp/sys_enter")
int index_negative(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &key);
	__s64 i = ctx->args[1];

	if (!value || i > 7)
		return 0;
	return value[i];
}

SEC("raw_tp/sys_enter")
int index_too_large(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &key);

	if (!value)
		return 0;
	return value[8];
}

SEC("raw_tp/sys_enter")
int index_bound_too_large(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 key = 0;
	__u64 *value = bpf_map_lookup_elem(&values, &key);
	__u64 i = ctx->args[1];

	if (!value || i > 100)
		return 0;
	return value[i];
}

SEC("raw_tp/sys_enter")
int length_negative(struct bpf_raw_tracepoint_args *ctx)
{
	char buf[16] = {};
	int n = ctx->args[1];

	if (n > 16)
		return 0;
	bpf_probe_read_kernel(buf, n, (void *)ctx->args[0]);
	return buf[0];
}

SEC("raw_tp/sys_enter")
int length_unbounded(struct bpf_raw_tracepoint_args *ctx)
{
	char buf[16] = {};

	bpf_probe_read_kernel(buf, ctx->args[1], (void *)ctx->args[0]);
	return buf[0];
}

SEC("raw_tp/sys_enter")
int stack_unwritten(struct bpf_raw_tracepoint_args *ctx)
{
	char key[16];

	asm volatile("" ::"r"(key));
	return bpf_map_delete_elem(&wide, key);
}

static __noinline int half(__u64 n)
{
	volatile char buf[300];

	buf[n & 255] = 1;
	return buf[(n + 1) & 255];
}

SEC("raw_tp/sys_enter")
int stack_too_deep(struct bpf_raw_tracepoint_args *ctx)
{
	volatile char buf[300];

	buf[ctx->args[1] & 255] = 1;
	return half(ctx->args[1]) + buf[ctx->args[0] & 255];
}

SEC("raw_tp/sys_enter")
int key_too_small(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 key = 0;

	return bpf_map_delete_elem(&wide, &key);
}

SEC("raw_tp/sys_enter")
int loop_endless(struct bpf_raw_tracepoint_args *ctx)
{
	while (1)
		asm volatile("");
	return 0;
}

SEC("raw_tp/sys_enter")
int loop_too_long(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < 10000000; i++) {
		sum += i;
		asm volatile("" : "+r"(sum));
	}
	return sum;
}

SEC("raw_tp/sys_enter")
int helper_of_others(struct bpf_raw_tracepoint_args *ctx)
{
	char buf[8] = {};

	bpf_skb_load_bytes(ctx, 0, buf, 8);
	return buf[0];
}

SEC("raw_tp/sys_enter")
int helper_sleeps(struct bpf_raw_tracepoint_args *ctx)
{
	char buf[8] = {};

	bpf_copy_from_user(buf, 8, (void *)ctx->args[0]);
	return buf[0];
}

SEC("raw_tp/sys_enter")
int helper_argument(struct bpf_raw_tracepoint_args *ctx)
{
	return bpf_probe_read_kernel((void *)ctx->args[0], 8, (void *)ctx->args[1]);
}

SEC("raw_tp/sys_enter")
int context_beyond(struct bpf_raw_tracepoint_args *ctx)
{
	return ((__u64 *)ctx)[100];
}

SEC("raw_tp/sys_enter")
int constant_written(struct bpf_raw_tracepoint_args *ctx)
{
	asm volatile("*(u64 *)(%0 + 0) = %1" ::"r"(&constant), "r"(2ULL));
	return constant;
}

SEC("raw_tp/sys_enter")
int pointer_multiplied(struct bpf_raw_tracepoint_args *ctx)
{
	void *p = ctx;

	asm volatile("%0 *= 3" : "+r"(p));
	return *(int *)p;
}

SEC("raw_tp/sys_enter")
int register_unset(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 n;

	asm volatile("%0 = r7" : "=r"(n));
	return n;
}

SEC("iter/task")
int return_out_of_range(struct bpf_iter__task *ctx)
{
	return 5;
}

SEC("tp_btf/sys_enter")
int struct_beyond(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return ((int *)task)[1 << 20];
}

SEC("tc")
int packet_unchecked(struct __sk_buff *skb)
{
	__u8 *data = (void *)(long)skb->data;

	return data[14];
}

SEC("tc")
int lock_held(struct __sk_buff *skb)
{
	__u32 key = 0;
	struct locked *l = bpf_map_lookup_elem(&locks, &key);

	if (!l)
		return 0;
	bpf_spin_lock(&l->lock);
	l->n = bpf_ktime_get_ns();
	bpf_spin_unlock(&l->lock);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

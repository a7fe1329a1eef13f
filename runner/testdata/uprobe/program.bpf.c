// SPDX-License-Identifier: GPL-2.0
// Who sells what: by all kinds of programs for user space. Tests choose some.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

#include <gadget/buffer.h>
#include <gadget/common.h>
#include <gadget/filter.h>
#include <gadget/macros.h>
#include <gadget/types.h>

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	__s32 amount;
	__u64 customer;
	char by[16];
};

GADGET_TRACER_MAP(events, 1024 * 256);
GADGET_TRACER(sales, events, event);

static __always_inline int report(void *ctx, int amount, __u64 customer, const char by[16])
{
	struct event *event;

	if (gadget_should_discard_data_current())
		return 0;
	event = gadget_reserve_buf(&events, sizeof(*event));
	if (!event)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	gadget_process_populate(&event->proc);
	event->amount = amount;
	event->customer = customer;
	__builtin_memcpy(event->by, by, sizeof(event->by));
	gadget_submit_buf(ctx, &events, event, sizeof(*event));
	return 0;
}

SEC("uprobe/libshop:sell")
int BPF_UPROBE(shop_entry, int amount, __u64 customer)
{
	return report(ctx, amount, customer, "entry\0\0\0\0\0\0\0\0\0\0");
}

SEC("uretprobe/libshop:sell")
int BPF_URETPROBE(shop_return, int twice)
{
	return report(ctx, twice, 0, "return\0\0\0\0\0\0\0\0\0");
}

SEC("uprobe.multi/libshop:se?l,restock_*")
int BPF_UPROBE(shop_many, int amount)
{
	return report(ctx, amount, 0, "many\0\0\0\0\0\0\0\0\0\0\0");
}

/* Sleepable programs may read memory that is not there yet. */
SEC("uprobe.s//bin/till-go:main.sell")
int shop_go(struct pt_regs *ctx)
{
	return report(ctx, 0, 0, "go\0\0\0\0\0\0\0\0\0\0\0\0\0");
}

SEC("usdt/libshop:shop:sale")
int BPF_USDT(shop_usdt, int amount, __u64 customer, int last)
{
	return report(ctx, amount + last, customer, "usdt\0\0\0\0\0\0\0\0\0\0\0");
}

char LICENSE[] SEC("license") = "GPL";

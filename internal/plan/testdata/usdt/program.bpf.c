// SPDX-License-Identifier: GPL-2.0
// What libbpf's header for USDT needs of whoever loads it, beside another setting
// of the kernel.
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>

extern int LINUX_KERNEL_VERSION __kconfig;

__u64 sum;

SEC("usdt/libshop:shop:sale")
int BPF_USDT(sale, int amount, __u64 customer)
{
	if (LINUX_KERNEL_VERSION > 0)
		sum += amount + customer + bpf_usdt_arg_cnt(ctx);
	return 0;
}

SEC("usdt//usr/bin/shop:shop:closed")
int BPF_USDT(closed)
{
	sum = 0;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <gadget/packetfilter.h>

GADGET_PF();

SEC("classifier/ingress/example")
int example(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (gadget_pf_matches(skb, data, end))
		bpf_printk("one");
	return -1; /* TC_ACT_UNSPEC */
}

char LICENSE[] SEC("license") = "GPL";

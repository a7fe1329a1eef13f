/* Other headers of gadget include this one; a program need not. */
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/kernel.h>

char comm[TASK_COMM_LEN];

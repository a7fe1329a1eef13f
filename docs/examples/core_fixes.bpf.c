#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <gadget/core_fixes.bpf.h>

bool waits(struct task_struct *task)
{
	return get_task_state(task) != 0; /* TASK_RUNNING is 0 */
}

// Package process says of every process in which unit and cgroup it is, and which
// processes were chosen: by unit, by cgroup, or as the descendants of a command.
//
//	tracker  eBPF: follows processes from fork to end and from cgroup to cgroup, and
//	         keeps the set of those chosen, by which gadgets filter in the kernel
//	cgroups  names of cgroups by their ids
//	Choice   what was asked for
//	Table    what is known, for readers of events
//
// The kernel keeps the list and user space asks it, when a process is met the first
// time; the answer holds until the kernel counts a change for it. So nothing has to
// be told about every fork, and an answer is right however short-lived the process
// was. A process older than the tracker is looked for in /proc.
//
// Units are those of systemd, told by the names of cgroups alone: systemd need not
// answer, nor run.
package process

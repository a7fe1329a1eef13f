// Package container says whose an event is.
//
//	tracker  eBPF: notices new mount namespaces before anything runs in them,
//	         lets them through the gadget's filter, and reports them
//	ledger   decides what a namespace is (host, container, not known yet) and
//	         what the filter holds; pure bookkeeping, one goroutine
//	askers   ask the container engines that are here (package engine) for names;
//	         nothing waits for them for long
//	Table    what the ledger knows, for readers of events: lock-free
//	news     tells what happens to containers, in order and once
//	Watcher  runs all of them; Start and Close
//
// A mount namespace is a container when the cgroup path of its processes says so, when
// runc or crun is just making it, or when their state files name its first process.
// The kernel reuses the numbers of mount namespaces at once, so the same number
// means different containers at different times: everything here is keyed by the
// number and a generation, and the Table answers for a number and a time.
//
// Network namespaces are known by who lives in them: each mount namespace counts
// with the network of its first process.
//
// New namespaces are noticed at the first fork inside them, or at the exec for
// programs that unshare without forking, and by a look at all tasks every second.
// Not noticed at once is a thread that unshares and then neither forks nor execs:
// until the next look its events are not those of its container.
package container

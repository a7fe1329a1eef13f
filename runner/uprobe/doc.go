// Package uprobe attaches programs to functions and USDT probes of user space,
// wherever the containers of interest have them, now and later.
//
//	Target      what a section asks for: libssl:SSL_write, /usr/bin/app:main
//	Follower    the whole; Start and Close
//	unit        one mount namespace: finds files in it, ahead of their use by
//	            path and by the caches of its dynamic loader, and as processes
//	            map them
//	registry    attachments by inode and program, counted over the units
//	mapWatch    tells of every mapping of code on this machine, by perf events
//	root        paths in a container, without leaving it
//	inodes      what uprobes are attached to, below what file systems show
//	specs       the maps of libbpf's usdt.bpf.h
//
// A uprobe is attached to an inode and fires for every process that runs that
// code: programs filter by mount namespace, as all programs of gadgets do.
//
// Containers are not trusted: their files are read in bounds, one goroutine for
// each mount namespace, so that one whose files do not answer delays no other.
package uprobe

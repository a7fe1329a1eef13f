/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Paths of open files, from the root of the mount namespace: what d_path() would
 * say, for programs that may not call it. A path is put together from its end,
 * component by component and mount by mount, in a per-CPU buffer.
 *
 * The result is valid until the next call on the same CPU: copy it at once. A
 * program that interrupts this one may overwrite it, which is rare and harmless:
 * a wrong path, never a wrong read.
 */
#ifndef GADGET_FILESYSTEM_H
#define GADGET_FILESYSTEM_H

#include <gadget/kernel.h>
#include <gadget/current.h>

/* What events have room for. Longer paths are cut at their end. */
#define GADGET_PATH_MAX 512

/* Paths with more components lose the first ones. */
#define GADGET_PATH_COMPONENTS 80

/*
 * The buffer: room for a path up to its final NUL, room for one longest name after
 * that (only the verifier thinks it is used), and the offset of the first byte
 * that is written so far. The offset lies in memory for the verifier's sake: what
 * it reads from there is any number to it, and so all turns of the loop look the
 * same. If it knew the number, there would be millions of ways to follow.
 */
#define __GADGET_PATH_END 0x3fff
#define __GADGET_NAME_MAX 0xff
#define __GADGET_PATH_BUF 0x8000
#define __GADGET_PATH_OFFSET(buf) (*(volatile __u32 *)((buf) + __GADGET_PATH_BUF - 8))

#ifdef __VMLINUX_H__

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, __GADGET_PATH_BUF);
} bufs SEC(".maps");

/* Where a walk towards the root stands. */
struct __gadget_path_walk {
	struct dentry *dentry;
	struct vfsmount *mount;
};

/* Goes from the root of a mount to its mount point, false when there is none above. */
static __always_inline bool __gadget_path_leave_mount(struct __gadget_path_walk *w)
{
	__u64 embedded = bpf_core_field_offset(struct mount, mnt);
	struct mount *mount = (void *)w->mount - embedded;
	struct mount *parent = BPF_CORE_READ(mount, mnt_parent);

	if (!parent || parent == mount)
		return false;
	w->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
	w->mount = (void *)parent + embedded;
	return true;
}

/* Goes one step towards the root, false at the root or when the buffer is full. */
static __always_inline bool __gadget_path_step(struct __gadget_path_walk *w, char *buf)
{
	/* Copies: CO-RE would take the members of w for the kernel's. */
	struct dentry *dentry = w->dentry;
	struct vfsmount *mount = w->mount;
	struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
	struct qstr name;
	__u32 len, offset;

	if (dentry == BPF_CORE_READ(mount, mnt_root))
		return __gadget_path_leave_mount(w);
	if (!parent || parent == dentry)
		return false;

	bpf_core_read(&name, sizeof(name), &dentry->d_name);
	len = name.len & __GADGET_NAME_MAX;
	offset = __GADGET_PATH_OFFSET(buf);
	if (offset < len + 1)
		return false;
	offset -= len + 1;
	__GADGET_PATH_OFFSET(buf) = offset;
	buf[offset & __GADGET_PATH_END] = '/';
	bpf_probe_read_kernel(buf + ((offset + 1) & __GADGET_PATH_END), len, name.name);
	w->dentry = parent;
	return true;
}

/*
 * The path as a NUL terminated string in the buffer, NULL only if there is no
 * buffer. path lies in kernel memory or on the stack.
 */
static __always_inline char *get_path_str(struct path *path)
{
	__u32 zero = 0, offset;
	char *buf = bpf_map_lookup_elem(&bufs, &zero);
	struct __gadget_path_walk w;

	if (!buf)
		return 0;
	w.dentry = BPF_CORE_READ(path, dentry);
	w.mount = BPF_CORE_READ(path, mnt);
	buf[__GADGET_PATH_END] = '\0';
	__GADGET_PATH_OFFSET(buf) = __GADGET_PATH_END;

	for (int i = 0; i < GADGET_PATH_COMPONENTS; i++) {
		if (!__gadget_path_step(&w, buf))
			break;
	}

	offset = __GADGET_PATH_OFFSET(buf) & __GADGET_PATH_END;
	if (offset == __GADGET_PATH_END) {
		offset--;
		buf[offset] = '/';
	}
	return buf + offset;
}

/* The open file of the current process under that descriptor, or NULL. */
static __always_inline struct file *get_struct_file_for_fd(int fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	struct file *file = 0;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds))
		return 0;
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return file;
}

/*
 * Writes the path of an open file of the current process to buf. The length with
 * the final NUL, or -1 when there is no such file.
 */
static __always_inline long read_full_path_of_open_file_fd(int fd, char *buf, __u64 len)
{
	struct file *file = get_struct_file_for_fd(fd);
	struct path path;
	char *str;

	if (!file)
		return -1;
	path = BPF_CORE_READ(file, f_path);
	str = get_path_str(&path);
	if (!str)
		return -1;
	return bpf_probe_read_kernel_str(buf, len, str);
}

/* File systems without a place in the tree (include/uapi/linux/magic.h). */
#define __GADGET_PIPEFS_MAGIC 0x50495045
#define __GADGET_SOCKFS_MAGIC 0x534f434b
#define __GADGET_ANON_INODE_FS_MAGIC 0x09041934

/* Decimal digits of the largest inode number. */
#define __GADGET_INODE_DIGITS 20

/* Keeps an offset inside a path, for the verifier. */
#define __GADGET_PATH_MASK (GADGET_PATH_MAX - 1)

/* Writes "[inode]" at an offset of a path. */
static __always_inline void __gadget_write_inode(char *path, __u32 at, __u64 inode)
{
	__u64 rest = inode;

	path[at++] = '[';
	for (int i = 0; i < __GADGET_INODE_DIGITS; i++) {
		at++;
		rest /= 10;
		if (!rest)
			break;
	}
	path[at & __GADGET_PATH_MASK] = ']';
	path[(at + 1) & __GADGET_PATH_MASK] = '\0';
	for (int i = 0; i < __GADGET_INODE_DIGITS; i++) {
		at--;
		path[at & __GADGET_PATH_MASK] = '0' + inode % 10;
		inode /= 10;
		if (!inode)
			break;
	}
}

/*
 * Writes what /proc/PID/fd shows of an open file to buf, which has GADGET_PATH_MAX
 * bytes: its path, or the kernel's name for what is in no file system, such as
 * socket:[12345].
 */
static __always_inline void gadget_read_file_name(char *buf, struct file *file)
{
	struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	struct path path;
	char *str;

	switch (BPF_CORE_READ(file, f_inode, i_sb, s_magic)) {
	case __GADGET_PIPEFS_MAGIC:
		__builtin_memcpy(buf, "pipe:", 5);
		__gadget_write_inode(buf, 5, BPF_CORE_READ(file, f_inode, i_ino));
		return;
	case __GADGET_SOCKFS_MAGIC:
		__builtin_memcpy(buf, "socket:", 7);
		__gadget_write_inode(buf, 7, BPF_CORE_READ(file, f_inode, i_ino));
		return;
	case __GADGET_ANON_INODE_FS_MAGIC:
		__builtin_memcpy(buf, "anon_inode:", 11);
		if (bpf_probe_read_kernel_str(buf + 11, GADGET_PATH_MAX - 11,
					      BPF_CORE_READ(dentry, d_name.name)) < 0)
			buf[11] = '\0';
		return;
	}
	path = BPF_CORE_READ(file, f_path);
	str = get_path_str(&path);
	if (!str || bpf_probe_read_kernel_str(buf, GADGET_PATH_MAX, str) < 0)
		buf[0] = '\0';
}

#endif /* __VMLINUX_H__ */

#endif /* GADGET_FILESYSTEM_H */

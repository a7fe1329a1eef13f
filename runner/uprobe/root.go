package uprobe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// root is the root directory of a process, as that process sees it. Nothing that
// lies below it can make us look outside of it.
type root struct {
	dir *os.File
	// stepwise resolves paths without openat2, which Linux has since 5.6 and some
	// containers forbid.
	stepwise bool
}

// openRoot opens the root directory of a process.
func openRoot(pid int) (*root, error) {
	name := "/proc/" + strconv.Itoa(pid) + "/root"
	fd, err := unix.Open(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return &root{dir: os.NewFile(uintptr(fd), name)}, nil
}

// id is the directory itself.
func (r *root) id() (directoryID, error) {
	id, err := idOf(r.dir)
	return directoryID{id.device, id.inode}, err
}

func (r *root) close() { _ = r.dir.Close() }

// open opens a regular file for reading.
func (r *root) open(name string) (*os.File, error) {
	fd, err := r.resolve(name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	return reopen(fd, name, unix.S_IFREG, 0)
}

// resolve returns a descriptor of kind O_PATH. It follows symbolic links as the
// process would.
func (r *root) resolve(name string) (int, error) {
	dir := int(r.dir.Fd())
	if !r.stepwise {
		how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
		for range 10 {
			fd, err := unix.Openat2(dir, name, &how)
			switch {
			case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM):
				r.stepwise = true
			case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
				continue // Something on the way was renamed meanwhile.
			default:
				return fd, err
			}
			break
		}
	}
	return walk(dir, name)
}

// maxLinks is how many symbolic links a path may have, as in the kernel.
const maxLinks = 40

// walk resolves a path one name at a time. It never asks the kernel for "..": the
// directories on the way are kept.
func walk(dir int, name string) (int, error) {
	way := []int{dir}
	defer func() {
		for _, fd := range way[1:] {
			unix.Close(fd)
		}
	}()
	up := func(keep int) {
		for _, fd := range way[keep:] {
			unix.Close(fd)
		}
		way = way[:keep]
	}
	links := 0
	for rest := name; rest != ""; {
		var step string
		step, rest, _ = strings.Cut(strings.TrimLeft(rest, "/"), "/")
		switch step {
		case "", ".":
			continue
		case "..":
			up(max(len(way)-1, 1))
			continue
		}
		fd, err := unix.Openat(way[len(way)-1], step, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		way = append(way, fd)
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return -1, err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			continue
		}
		if links++; links > maxLinks {
			return -1, unix.ELOOP
		}
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(fd, "", target)
		if err != nil {
			return -1, err
		}
		up(len(way) - 1)
		if path.IsAbs(string(target[:n])) {
			up(1)
		}
		if rest = string(target[:n]) + "/" + rest; len(rest) > unix.PathMax {
			return -1, unix.ENAMETOOLONG
		}
	}
	return unix.FcntlInt(uintptr(way[len(way)-1]), unix.F_DUPFD_CLOEXEC, 0)
}

// reopen opens for reading what an O_PATH descriptor stands for, if it is a file of
// that type: opening devices does things, and opening pipes blocks.
func reopen(fd int, name string, kind uint32, flags int) (*os.File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	if st.Mode&unix.S_IFMT != kind {
		return nil, &os.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	opened, err := unix.Open(fdPath(fd), unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY|flags, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(opened), name), nil
}

// fdPath is a path by which the kernel finds an open file.
func fdPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// content implements files.
func (r *root) content(name string, limit int64) ([]byte, error) {
	f, err := r.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// entries implements files.
func (r *root) entries(name string, limit int) ([]string, error) {
	fd, err := r.resolve(name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	d, err := reopen(fd, name, unix.S_IFDIR, unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(limit)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// directoryID is a directory as stat has it.
type directoryID struct{ device, inode uint64 }

// fileID is a file as stat has it, with a certain content.
type fileID struct {
	device, inode uint64
	content       content
}

// content stands for what is in a file.
type content struct {
	size    int64
	changed unix.Timespec
}

func idOf(f *os.File) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fileID{}, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return fileID{st.Dev, st.Ino, content{st.Size, st.Ctim}}, nil
}

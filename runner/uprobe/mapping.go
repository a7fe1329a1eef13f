package uprobe

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mapping is code that a process has mapped from a file.
type mapping struct {
	pid int
	// start and end of it in memory, offset in the file of what is at start.
	start, end, offset uint64
	// major, minor and inode are the file's, as far as the kernel shows them: in
	// containers they may be those of another file system than the true ones.
	major, minor uint32
	inode        uint64
	// path as the process sees it.
	path string
}

// deletedMark is what the kernel adds to the path of a file that is gone.
const deletedMark = " (deleted)"

// maxMappings is how many mappings of a process are looked at; the kernel's own
// limit is usually half of it.
const maxMappings = 1 << 17

// mappingsOf calls do for the code of a process that is mapped from files, each
// file once.
func mappingsOf(pid int, do func(mapping)) error {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/maps")
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 32<<10) // a path may be 16 KiB of \012
	var last mapping
	for range maxMappings {
		line, err := r.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		// START-END rwxp OFFSET MAJOR:MINOR INODE PATH
		if space := strings.IndexByte(string(line[:min(len(line), 40)]), ' '); space < 0 || len(line) < space+5 || line[space+3] != 'x' {
			continue
		}
		m, err := parseMapping(string(line))
		if err != nil || m.inode == 0 || !path.IsAbs(m.path) {
			continue
		}
		if m.inode == last.inode && m.major == last.major && m.minor == last.minor {
			continue
		}
		m.pid, last = pid, m
		do(m)
	}
	return nil
}

// parseMapping reads a line of /proc/PID/maps (proc_pid_maps(5)).
func parseMapping(line string) (mapping, error) {
	var m mapping
	bad := fmt.Errorf("%q is no line of /proc/PID/maps", strings.TrimSuffix(line, "\n"))
	fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 6)
	if len(fields) < 5 {
		return m, bad
	}
	start, end, _ := strings.Cut(fields[0], "-")
	major, minor, _ := strings.Cut(fields[3], ":")
	var errs [6]error
	var dev [2]uint64
	m.start, errs[0] = strconv.ParseUint(start, 16, 64)
	m.end, errs[1] = strconv.ParseUint(end, 16, 64)
	m.offset, errs[2] = strconv.ParseUint(fields[2], 16, 64)
	dev[0], errs[3] = strconv.ParseUint(major, 16, 32)
	dev[1], errs[4] = strconv.ParseUint(minor, 16, 32)
	m.inode, errs[5] = strconv.ParseUint(fields[4], 10, 64)
	if errors.Join(errs[:]...) != nil {
		return m, bad
	}
	m.major, m.minor = uint32(dev[0]), uint32(dev[1])
	if len(fields) == 6 {
		// The kernel writes a line break in a path as \012.
		m.path = strings.ReplaceAll(strings.TrimLeft(fields[5], " "), `\012`, "\n")
	}
	return m, nil
}

// open opens the file that is mapped. It may have been deleted or replaced since,
// and the process may have ended.
func (m *mapping) open() (*os.File, error) {
	name := fmt.Sprintf("/proc/%d/map_files/%x-%x", m.pid, m.start, m.end)
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		// The mapping has become two, or another process has to do.
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	return reopen(fd, m.path, unix.S_IFREG, 0)
}

// namespaceOf returns the number of a process's mount namespace, 0 when it is gone.
func namespaceOf(pid int) uint64 {
	link, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/mnt")
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(link, "mnt:["), "]"), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// processes returns all processes of this machine by mount namespace.
func processes() (map[uint64][]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	all := map[uint64][]int{}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if ns := namespaceOf(pid); ns != 0 {
				all[ns] = append(all[ns], pid)
			}
		}
	}
	return all, nil
}

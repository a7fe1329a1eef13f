package uprobe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ringPages is the size of a CPU's ring in pages, a power of two.
const ringPages = 16

// mapWatch tells of all code that processes of this machine map from files, as it
// happens: at exec, when the dynamic loader maps libraries, and at dlopen. The
// kernel makes records of that for profilers; nothing has to be probed.
type mapWatch struct {
	rings []ring
	// ready is an epoll descriptor that is readable when a ring is. As a file, it
	// has a goroutine wait and no thread.
	ready *os.File
}

// ring is the ring buffer of one CPU (struct perf_event_mmap_page).
type ring struct {
	fd   int
	mem  []byte
	page *unix.PerfEventMmapPage
	data []byte
}

// watchMappings begins to watch. It fails where perf events are refused.
func watchMappings() (*mapWatch, error) {
	cpus, err := onlineCPUs()
	if err != nil {
		return nil, err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch mappings: %w", err)
	}
	if err := unix.SetNonblock(epoll, true); err != nil {
		return nil, errors.Join(fmt.Errorf("watch mappings: %w", err), unix.Close(epoll))
	}
	w := &mapWatch{ready: os.NewFile(uintptr(epoll), "perf events")}
	for _, cpu := range cpus {
		r, err := openRing(cpu)
		if errors.Is(err, unix.ENODEV) {
			continue // It has just been switched off.
		}
		if err == nil {
			w.rings = append(w.rings, r)
			err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, r.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(r.fd)})
		}
		if err != nil {
			w.close()
			return nil, fmt.Errorf("watch mappings: %w", err)
		}
	}
	return w, nil
}

func openRing(cpu int) (ring, error) {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_DUMMY,
		Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		// Executable mappings only; data would need another bit.
		Bits:   unix.PerfBitMmap | unix.PerfBitMmap2 | unix.PerfBitWatermark,
		Wakeup: 1, // byte
	}
	fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return ring{}, fmt.Errorf("open perf event: %w", err)
	}
	mem, err := unix.Mmap(fd, 0, (ringPages+1)*os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		unix.Close(fd)
		return ring{}, fmt.Errorf("map perf event: %w", err)
	}
	return ring{fd: fd, mem: mem, page: (*unix.PerfEventMmapPage)(unsafe.Pointer(unsafe.SliceData(mem))), data: mem[os.Getpagesize():]}, nil
}

// onlineCPUs reads a list such as 0-3,8.
func onlineCPUs() ([]int, error) {
	const name = "/sys/devices/system/cpu/online"
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var cpus []int
	for part := range strings.SplitSeq(strings.TrimSpace(string(text)), ",") {
		first, last, many := strings.Cut(part, "-")
		if !many {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err = errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// wait blocks until there may be records. It returns false after stop.
func (w *mapWatch) wait() bool {
	conn, err := w.ready.SyscallConn()
	if err != nil {
		return false
	}
	// Whoever polls a perf event takes the news from it (perf_poll in
	// kernel/events/core.c), and the runtime has just done that: only the rings
	// themselves can tell.
	err = conn.Read(func(uintptr) bool {
		return slices.ContainsFunc(w.rings, func(r ring) bool { return r.waiting() > 0 })
	})
	return err == nil
}

// stop ends wait, now and from now on.
func (w *mapWatch) stop() { _ = w.ready.Close() }

// close frees the rings. Nobody may be reading.
func (w *mapWatch) close() {
	w.stop()
	for _, r := range w.rings {
		_ = unix.Munmap(r.mem)
		_ = unix.Close(r.fd)
	}
}

// read calls do for all records that there are. It says whether some were lost.
func (w *mapWatch) read(do func(mapping)) (lost bool) {
	for i := range w.rings {
		lost = w.rings[i].read(do) || lost
	}
	return lost
}

// Types of records (include/uapi/linux/perf_event.h).
const (
	recordLost  = 2
	recordMmap2 = 10
)

// waiting is how many bytes of records wait to be read.
func (r *ring) waiting() uint64 { return atomic.LoadUint64(&r.page.Data_head) - r.page.Data_tail }

func (r *ring) read(do func(mapping)) (lost bool) {
	tail := r.page.Data_tail
	head := tail + r.waiting()
	size := uint64(len(r.data))
	for head-tail >= 8 {
		at := tail % size
		// Records are aligned to 8 bytes: a header is in one piece.
		kind := binary.NativeEndian.Uint32(r.data[at:])
		length := uint64(binary.NativeEndian.Uint16(r.data[at+6:]))
		if length < 8 || length > head-tail {
			lost = true
			tail = head
			break
		}
		switch kind {
		case recordLost:
			lost = true
		case recordMmap2:
			record := r.data[at:min(at+length, size)]
			if rest := length - uint64(len(record)); rest > 0 {
				record = slices.Concat(record, r.data[:rest])
			}
			if m, ok := decodeMmap2(record); ok {
				do(m)
			}
		}
		tail += length
	}
	atomic.StoreUint64(&r.page.Data_tail, tail)
	return lost
}

// decodeMmap2 reads a record of type PERF_RECORD_MMAP2. It is false for what is not
// mapped from a file.
func decodeMmap2(b []byte) (mapping, bool) {
	const name = 72 // where the path begins
	if len(b) <= name || b[name] != '/' {
		return mapping{}, false
	}
	word := binary.NativeEndian.Uint64
	half := binary.NativeEndian.Uint32
	m := mapping{
		pid:   int(half(b[8:])),
		start: word(b[16:]), offset: word(b[32:]),
		major: half(b[40:]), minor: half(b[44:]), inode: word(b[48:]),
		path: cutZero(b[name:]),
	}
	m.end = m.start + word(b[24:])
	// Memory without a file has a path of two slashes.
	return m, m.inode != 0 && !strings.HasPrefix(m.path, "//")
}

func cutZero(b []byte) string {
	text, _, _ := strings.Cut(string(b), "\x00")
	return text
}

package runner

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/pipe"
)

// maxConfig bounds what is read of a container's config.json, in bytes: those of
// real containers have some ten thousand.
const maxConfig = 1 << 20

// containerFeed is the stream of a Containers data source: what the watcher tells
// of containers, as samples for the pipe.
type containerFeed struct {
	mu    sync.Mutex
	queue []container.Event
	// wake has a value when something has come, done is closed at the end.
	wake, done chan struct{}

	// What follows belongs to the reader.
	patience time.Duration
	row      plan.ContainerRow
	raw      []byte
	// configs by id, for the end of a container: they go away with it.
	configs map[string][]byte
}

var _ pipe.Samples = (*containerFeed)(nil)

func newContainerFeed() *containerFeed {
	return &containerFeed{wake: make(chan struct{}, 1), done: make(chan struct{}), configs: map[string][]byte{}}
}

// push takes in what has happened; it never blocks.
func (f *containerFeed) push(e container.Event) {
	f.mu.Lock()
	f.queue = append(f.queue, e)
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// flush ends the stream after what has come so far.
func (f *containerFeed) flush() { close(f.done) }

// pop takes the first event off the queue.
func (f *containerFeed) pop() (e container.Event, left int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return e, 0, false
	}
	e, f.queue = f.queue[0], f.queue[1:]
	return e, len(f.queue), true
}

// SetPatience implements pipe.Samples.
func (f *containerFeed) SetPatience(d time.Duration) { f.patience = d }

// Next implements pipe.Samples.
func (f *containerFeed) Next() (raw []byte, more bool, err error) {
	var late <-chan time.Time
	if f.patience > 0 {
		late = time.After(f.patience)
	}
	for ended := false; ; {
		if e, left, ok := f.pop(); ok {
			return f.sample(e), left > 0, nil
		}
		if ended {
			return nil, false, pipe.ErrDrained
		}
		select {
		case <-f.wake:
		case <-f.done:
			ended = true
		case <-late:
			return nil, false, pipe.ErrIdle
		}
	}
}

// sample makes the raw event.
func (f *containerFeed) sample(e container.Event) []byte {
	c := e.Container
	f.row = plan.ContainerRow{CgroupID: c.CgroupID, MntNS: c.MntNS}
	copyText(f.row.Event[:], e.Kind.String())
	copyText(f.row.ID[:], c.ID)
	copyText(f.row.Name[:], c.Name)
	if len(f.configs[c.ID]) == 0 && e.Kind != container.Deleted {
		f.configs[c.ID] = containerConfig(c.PID, c.ID)
	}
	f.raw = append(f.raw[:0], unsafe.Slice((*byte)(unsafe.Pointer(&f.row)), unsafe.Sizeof(f.row))...)
	f.raw = append(f.raw, f.configs[c.ID]...)
	if e.Kind == container.Deleted {
		delete(f.configs, c.ID)
	}
	return f.raw
}

// copyText fills a field of a row that is zero, whose last byte stays so.
func copyText(field []byte, text string) { copy(field[:len(field)-1], text) }

// containerConfig reads the config.json of a container's bundle. Where that is, its
// monitor tells, the parent of its first process: a shim of containerd has it, or
// that of another container of the same pod, as its working directory; conmon has
// it in its arguments. Nil is what cannot be found.
func containerConfig(pid uint32, id string) []byte {
	if pid == 0 || strings.Contains(id, "/") {
		return nil
	}
	parent := parentOf(pid)
	if parent == 0 {
		return nil
	}
	dir := filepath.Join("/proc", strconv.Itoa(parent))
	// Not cleaned: the parent is that of what the link points to.
	if text := readConfig(dir + "/cwd/../" + id + "/config.json"); text != nil {
		return text
	}
	cmdline, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil {
		return nil
	}
	args := strings.Split(string(cmdline), "\x00")
	for i, arg := range args[:len(args)-1] {
		if arg == "-b" || arg == "--bundle" {
			return readConfig(dir + "/root" + args[i+1] + "/config.json")
		}
	}
	return nil
}

// readConfig reads a file of bounded size, nil when there is none.
func readConfig(path string) []byte {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxConfig {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return text
}

// parentOf is the parent of a process, 0 when it is gone.
func parentOf(pid uint32) int {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(int(pid)), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "PPid:"); ok {
			ppid, _ := strconv.Atoi(strings.TrimSpace(text))
			return ppid
		}
	}
	return 0
}

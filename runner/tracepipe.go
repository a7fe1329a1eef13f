package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"golang.org/x/sys/unix"
)

// tracePipe gives the lines that programs print by bpf_printk to a function, until
// it is closed. Each line is read by one reader only, whoever comes first.
type tracePipe struct {
	fd      int
	stop    context.CancelFunc
	reading sync.WaitGroup
}

// openTracePipe begins to read.
func openTracePipe(line func(string)) (*tracePipe, error) {
	if err := ensureTracefs(); err != nil {
		return nil, err
	}
	t := &tracePipe{fd: -1}
	var err error
	for _, dir := range tracefsPaths {
		t.fd, err = unix.Open(dir+"/trace_pipe", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open trace_pipe: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	t.reading.Go(func() { t.read(ctx, line) })
	return t, nil
}

// read waits for lines. The file cannot be waited for by Go's own poller, as the
// kernel calls it a regular one.
func (t *tracePipe) read(ctx context.Context, line func(string)) {
	const wait = 100 // ms
	var kept []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := unix.Read(t.fd, buf)
		switch {
		case n > 0:
			kept = append(kept, buf[:n]...)
			for {
				text, rest, ok := bytes.Cut(kept, []byte("\n"))
				if !ok {
					break
				}
				line(string(text))
				kept = rest
			}
		case ctx.Err() != nil:
			return
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), err == nil:
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN}}, wait)
		default:
			return
		}
	}
}

// Close reads what is there, and ends.
func (t *tracePipe) Close() error {
	t.stop()
	t.reading.Wait()
	return unix.Close(t.fd)
}

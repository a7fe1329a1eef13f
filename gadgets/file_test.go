package gadgets_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/testengine"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// transferred is what a process has read and written, as top_file counts it.
type transferred struct {
	Type                          string
	Reads, RBytes, Writes, WBytes int
}

// topFile adds up the tables of a run of top_file: by name, over intervals and threads.
func topFile(t *testing.T, o runner.Options, mine func(row map[string]any) bool, do func()) map[string]transferred {
	t.Helper()
	sums := map[string]transferred{}
	for line := range bytes.Lines(runWhile(t, "top_file", o, do)) {
		var rows []map[string]any
		if err := json.Unmarshal(line, &rows); err != nil {
			t.Fatalf("%v: %.500s", err, line)
		}
		for _, row := range rows {
			if !mine(row) {
				continue
			}
			number := func(name string) int { return int(row[name].(float64)) }
			file := row["file"].(string)
			sum := sums[file]
			sum.Type = row["t"].(string)
			sum.Reads, sum.RBytes = sum.Reads+number("reads"), sum.RBytes+number("rbytes_raw")
			sum.Writes, sum.WBytes = sum.Writes+number("writes"), sum.WBytes+number("wbytes_raw")
			sums[file] = sum
		}
	}
	return sums
}

// Every call that transfers data moves another number of bytes.
func TestTopFile(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	open := func(name string, flags int) int {
		fd, err := unix.Open(path(name), flags|unix.O_CREAT, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	a, b, c, d := open("a", unix.O_RDWR), open("b", unix.O_RDWR), open("c", unix.O_RDWR), open("d", unix.O_WRONLY)
	pipe, sockets := make([]int, 2), [2]int{}
	if err := unix.Pipe(pipe); err != nil {
		t.Fatal(err)
	}
	sockets, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := func(fd int) string {
		link, err := os.Readlink(filepath.Join("/proc/self/fd", strconv.Itoa(fd)))
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	for _, fd := range []int{pipe[0], pipe[1], sockets[0], sockets[1]} {
		t.Cleanup(func() { unix.Close(fd) })
	}
	do := func() {
		want := func(what string, n int, err error, expected int) {
			t.Helper()
			if err != nil || n != expected {
				t.Errorf("%s: %d bytes, %v; want %d", what, n, err, expected)
			}
		}
		buf := make([]byte, 8192)
		for range 3 {
			n, err := unix.Write(a, buf[:1000])
			want("write", n, err, 1000)
		}
		n, err := unix.Pwrite(a, buf[:500], 0)
		want("pwrite", n, err, 500)
		n, err = unix.Writev(a, [][]byte{buf[:100], buf[:200]})
		want("writev", n, err, 300)
		n, err = unix.Pwritev(a, [][]byte{buf[:10], buf[:20]}, 0)
		want("pwritev", n, err, 30)
		n, err = unix.Pwritev2(a, [][]byte{buf[:7]}, 0, 0)
		want("pwritev2", n, err, 7)
		n, err = unix.Read(a, buf)
		want("read at the end", n, err, 0)
		n, err = unix.Pread(a, buf, 300)
		want("pread", n, err, 3000)
		n, err = unix.Preadv(a, [][]byte{buf[:11], buf[:12]}, 0)
		want("preadv", n, err, 23)
		n, err = unix.Preadv2(a, [][]byte{buf[:9]}, 0, 0)
		want("preadv2", n, err, 9)
		if _, err := unix.Seek(a, 0, 0); err != nil {
			t.Error(err)
		}
		n, err = unix.Readv(a, [][]byte{buf[:40], buf[:2]})
		want("readv", n, err, 42)
		n, err = unix.Sendfile(b, a, nil, 700)
		want("sendfile", n, err, 700)
		n, err = unix.CopyFileRange(a, nil, c, nil, 900, 0)
		want("copy_file_range", n, err, 900)
		moved, err := unix.Splice(a, nil, pipe[1], nil, 400, 0)
		want("splice", int(moved), err, 400)
		n, err = unix.Read(pipe[0], buf)
		want("pipe", n, err, 400)
		n, err = unix.Write(sockets[0], buf[:77])
		want("socket", n, err, 77)
		n, err = unix.Read(sockets[1], buf)
		want("socket", n, err, 77)
		if _, err := unix.Read(d, buf); !errors.Is(err, unix.EBADF) {
			t.Errorf("read from a file that is only written: %v", err)
		}
	}
	regular := map[string]transferred{
		path("a"): {"R", 8, 3000 + 23 + 9 + 42 + 700 + 900 + 400, 7, 3000 + 500 + 300 + 30 + 7},
		path("b"): {Type: "R", Writes: 1, WBytes: 700},
		path("c"): {Type: "R", Writes: 1, WBytes: 900},
	}
	all := map[string]transferred{
		name(pipe[0]):    {"O", 1, 400, 1, 400},
		name(sockets[0]): {Type: "S", Writes: 1, WBytes: 77},
		name(sockets[1]): {Type: "S", Reads: 1, RBytes: 77},
	}
	for file, sum := range regular {
		all[file] = sum
	}
	for name, tt := range map[string]struct {
		params map[string]string
		want   map[string]transferred
	}{
		"regular":         {nil, regular},
		"all":             {map[string]string{"all-files": "true"}, all},
		"another process": {map[string]string{"pid": "1"}, map[string]transferred{}},
	} {
		t.Run(name, func(t *testing.T) {
			// The test and its own files; it reads and writes others, too.
			mine := func(row map[string]any) bool {
				_, ok := all[row["file"].(string)]
				return (ok || filepath.Dir(row["file"].(string)) == dir) && pick(row, "proc.pid")["proc.pid"] == float64(os.Getpid())
			}
			for _, fd := range []int{a, b, c} {
				if err := unix.Ftruncate(fd, 0); err != nil {
					t.Fatal(err)
				}
				if _, err := unix.Seek(fd, 0, 0); err != nil {
					t.Fatal(err)
				}
			}
			got := topFile(t, runner.Options{Params: tt.params, Host: true}, mine, do)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// A file of a container has the path that it has there, and the container's name.
func testTopFile(t *testing.T, docker *testengine.Docker) {
	o := runner.Options{Selector: container.Selector{Name: container.Patterns{"writer"}}, Engines: engine.Options{Docker: docker.Host()}}
	mine := func(row map[string]any) bool {
		container := pick(row, "runtime.containerName")["runtime.containerName"]
		if container != "writer" {
			t.Errorf("a row of %v", container)
		}
		return row["file"] == "/data"
	}
	got := topFile(t, o, mine, func() {
		docker.Run(t, []string{"--rm", "--name", "writer"}, "/bin/sh", "-c",
			"echo twelve bytes >/data; /bin/busybox head -c 13 /data; /bin/busybox rm /data")
	})
	want := map[string]transferred{"/data": {"R", 1, 13, 1, 13}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

package registry

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// oneOfEach is the worker that does everything once.
const oneOfEach = "one of each"

// oneOfEach builds, replaces, tags, removes and prunes.
func (w worker) oneOfEach() error {
	x, y := w.name("x"), w.name("y")
	if _, err := w.put(testImage("first"), x); err != nil {
		return err
	}
	d, err := w.put(testImage("second"), x)
	if err != nil {
		return err
	}
	fmt.Println("will", y)
	if err := w.Tag(context.Background(), d, y); err != nil {
		return err
	}
	fmt.Println("have", y, d)
	if err := w.remove(x); err != nil {
		return err
	}
	if _, err := w.Put(context.Background(), testImage("nameless")); err != nil {
		return err
	}
	_, err = w.Prune(context.Background())
	return err
}

// TestKilledAnywhere kills a process with SIGKILL before each of its system calls
// that change a file, one after the other: each time the store opens, has what was
// told as done, and the next change leaves no garbage.
func TestKilledAnywhere(t *testing.T) {
	const shards = 4
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			for at := 1 + shard; !t.Failed(); at += shards {
				dir := filepath.Join(t.TempDir(), "store")
				d := &diary{state: map[string]string{}}
				out, finished := killBefore(t, at, dir)
				said := out.String()
				d.read(out)
				d.check(t, dir)
				if finished {
					if at < 50 {
						t.Errorf("only %d system calls change a file", at)
					}
					return
				}
				if t.Failed() {
					t.Errorf("killed before system call %d; it had said:\n%s", at, said)
				}
			}
		})
	}
}

// changing are the system calls by which Go's file functions change something.
var changing = map[uint64]bool{
	unix.SYS_OPENAT: true, unix.SYS_WRITE: true, unix.SYS_RENAMEAT: true, unix.SYS_UNLINKAT: true,
	unix.SYS_MKDIRAT: true, unix.SYS_FCHMODAT: true, unix.SYS_FCHMOD: true, unix.SYS_LINKAT: true,
}

// killBefore runs oneOfEach and kills it before its n-th system call that changes a
// file. finished is true when there are fewer.
func killBefore(t *testing.T, n int, dir string) (out *bytes.Buffer, finished bool) {
	t.Helper()
	// Only the thread that started a process can trace it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	said, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerVar+"="+oneOfEach, storeVar+"="+dir, "GOMAXPROCS=1")
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		t.Skipf("processes cannot be traced here: %v", err)
	}
	pid := cmd.Process.Pid
	finished = trace(t, pid, n)
	_ = cmd.Wait()
	text, err := os.ReadFile(said.Name())
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewBuffer(text), finished
}

// trace follows all threads of a process that has just been started, until it ends by
// itself or is killed.
func trace(t *testing.T, pid, n int) (finished bool) {
	t.Helper()
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, unix.WALL, nil); err != nil {
		t.Fatal(err)
	}
	if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_EXITKILL); err != nil {
		t.Fatal(err)
	}
	for thread := pid; ; {
		signal := 0
		switch {
		case status.Exited() || status.Signaled():
			if thread == pid {
				if status.Exited() && status.ExitStatus() != 0 {
					t.Fatalf("the worker ended with %d", status.ExitStatus())
				}
				return status.Exited()
			}
		case status.StopSignal() == unix.SIGTRAP|0x80:
			if entersChange(thread) {
				n--
			}
			if n == 0 {
				_ = unix.Kill(pid, unix.SIGKILL)
			}
		case status.StopSignal() != unix.SIGTRAP && status.StopSignal() != unix.SIGSTOP:
			signal = int(status.StopSignal())
		}
		if status.Stopped() {
			_ = unix.PtraceSyscall(thread, signal) // fails for one that was just killed
		}
		var err error
		if thread, err = unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// entersChange says whether a thread is about to make a system call that changes a
// file; struct ptrace_syscall_info of include/uapi/linux/ptrace.h.
func entersChange(thread int) bool {
	const getSyscallInfo, entry = 0x420e, 1
	var info struct {
		op     uint8
		_      [3]uint8
		_      uint32
		_, _   uint64
		number uint64
		args   [6]uint64
	}
	_, _, failed := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(thread), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if failed != 0 || info.op != entry || info.number == unix.SYS_OPENAT && info.args[2]&unix.O_CREAT == 0 {
		return false
	}
	return changing[info.number]
}

package gadgets_test

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// A child gets signals in every way and dies of one; others go to nobody.
func TestTraceSignal(t *testing.T) {
	const nobody = 1<<22 + 1 // above the largest pid that a kernel can be told to give
	me := os.Getpid()
	var child int
	do := func() {
		cmd := exec.Command("/bin/sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Error(err)
			return
		}
		child = cmd.Process.Pid
		if err := unix.Kill(child, unix.SIGWINCH); err != nil {
			t.Error(err)
		}
		if err := unix.Tgkill(child, child, unix.SIGCONT); err != nil {
			t.Error(err)
		}
		if err := unix.Kill(child, 99); !errors.Is(err, unix.EINVAL) {
			t.Error(err)
		}
		if err := unix.Kill(child, unix.SIGUSR2); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait()
		if err := unix.Kill(nobody, unix.SIGUSR1); !errors.Is(err, unix.ESRCH) {
			t.Error(err)
		}
		if err := unix.Kill(-nobody, unix.SIGUSR1); !errors.Is(err, unix.ESRCH) {
			t.Error(err)
		}
		if err := unix.Tgkill(nobody-1, nobody, unix.SIGHUP); !errors.Is(err, unix.ESRCH) {
			t.Error(err)
		}
		info := [32]int32{int32(unix.SIGUSR1), 0, -1} // si_code is SI_QUEUE
		if _, _, errno := unix.RawSyscall(unix.SYS_RT_SIGQUEUEINFO, nobody, uintptr(unix.SIGUSR1), uintptr(unsafe.Pointer(&info))); errno != unix.ESRCH {
			t.Error(errno)
		}
	}
	// row is an event; the child has its number only when it is there.
	type row struct {
		comm      string
		from      *int
		to        *int
		sig       string
		errorName string
	}
	bogus, group := nobody, -nobody
	own, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	comm := string(own[:len(own)-1])
	winch := row{comm, &me, &child, "SIGWINCH", ""}
	cont := row{comm, &me, &child, "SIGCONT", ""}
	invalid := row{comm, &me, &child, "signal#99", "EINVAL"}
	usr2 := row{comm, &me, &child, "SIGUSR2", ""}
	chld := row{"sleep", &child, &me, "SIGCHLD", ""}
	missing := row{comm, &me, &bogus, "SIGUSR1", "ESRCH"}
	missingGroup := row{comm, &me, &group, "SIGUSR1", "ESRCH"}
	missingThread := row{comm, &me, &bogus, "SIGHUP", "ESRCH"}

	tests := []struct {
		name   string
		params map[string]string
		want   []row
	}{
		{"all", nil, []row{winch, cont, invalid, usr2, chld, missing, missingGroup, missingThread, missing}},
		{"failed", map[string]string{"failed": "true"}, []row{invalid, missing, missingGroup, missingThread, missing}},
		{"kill", map[string]string{"kill-only": "true"}, []row{winch, invalid, usr2, missing, missingGroup}},
		{"signal", map[string]string{"signal": "12"}, []row{usr2}},
		{"comm", map[string]string{"comm": "sleep"}, []row{chld}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			events := trace(t, "trace_signal", "", tt.params, do)
			var want, got []map[string]any
			for _, r := range tt.want {
				want = append(want, map[string]any{
					"proc.comm": r.comm, "proc.pid": float64(*r.from), "tpid": float64(*r.to), "sig": r.sig, "error": r.errorName,
				})
			}
			for _, e := range events {
				e := pick(e, "proc.comm", "proc.pid", "tpid", "sig", "error")
				// The Go runtime interrupts its own threads with SIGURG.
				mine := e["proc.pid"] == float64(me) && e["sig"] != "SIGURG"
				if mine || e["proc.pid"] == float64(child) {
					got = append(got, e)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

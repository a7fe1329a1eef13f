package detached

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Process is a process of this machine. Its number may be used again, together with
// its start and the machine's it is nobody else's.
type Process struct {
	PID int `json:"pid"`
	// Start is that of the process, in ticks after that of the machine; Boot is the
	// kernel's name for the time since then.
	Start uint64 `json:"start"`
	Boot  string `json:"boot"`
}

// Self is this process.
func Self() (Process, error) {
	pid := os.Getpid()
	start, alive, err := startOf(pid)
	if err == nil && !alive {
		err = errors.New("it is not in /proc")
	}
	if err != nil {
		return Process{}, fmt.Errorf("find this process: %w", err)
	}
	return Process{PID: pid, Start: start, Boot: bootID()}, nil
}

func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return string(bytes.TrimSpace(text))
}

// Alive reports whether the process has not ended yet.
func (p Process) Alive() bool {
	if p.PID <= 0 || p.Boot != bootID() {
		return false
	}
	start, alive, err := startOf(p.PID)
	return err == nil && alive && start == p.Start
}

// Kill ends the process at once. Whoever has its number by now is left alone.
func (p Process) Kill() error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	// The descriptor stands for one process; if that is the one, it stays so.
	if !p.Alive() {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", p.PID, err)
	}
	return nil
}

// startOf reads /proc/PID/stat (proc_pid_stat(5)): field 3 is the state, 22 the start.
func startOf(pid int) (start uint64, alive bool, err error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	// The name in parentheses may hold anything.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return 0, false, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields)+2)
	}
	start, err = strconv.ParseUint(string(fields[19]), 10, 64)
	ended := bytes.ContainsAny(fields[0], "ZXx")
	return start, !ended, err
}

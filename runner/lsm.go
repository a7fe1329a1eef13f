package runner

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// checkLSM finds kernels that take programs for security modules and never run
// them, because the module that would is not among the active ones. Where the
// kernel does not say which are, it finds nothing.
func checkLSM() error {
	list, err := activeLSMs()
	if err != nil || slices.Contains(strings.Split(list, ","), "bpf") {
		return nil
	}
	return &HostError{Need: fmt.Sprintf("the security module bpf (active are %s)", list),
		Hint: fmt.Sprintf("boot with lsm=%s,bpf", list)}
}

// activeLSMs reads the names of the active security modules, with commas, from
// securityfs (Documentation/admin-guide/LSM), which need not be mounted anywhere.
func activeLSMs() (string, error) {
	if text, err := os.ReadFile("/sys/kernel/security/lsm"); err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	fs, err := unix.Fsopen("securityfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("open securityfs: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return "", fmt.Errorf("open securityfs: %w", err)
	}
	root, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return "", fmt.Errorf("open securityfs: %w", err)
	}
	defer unix.Close(root)
	fd, err := unix.Openat(root, "lsm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open list of security modules: %w", err)
	}
	file := os.NewFile(uintptr(fd), "lsm")
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return "", fmt.Errorf("read list of security modules: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

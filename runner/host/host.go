// Package host reads what this machine says of itself: what the process may do,
// what is mounted, what security modules are active, how the kernel was built.
package host

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Capabilities are a set of capabilities; bits are the CAP_ constants.
type Capabilities uint64

// Has says whether a capability is in the set.
func (c Capabilities) Has(capability int) bool { return c&(1<<capability) != 0 }

// OwnCapabilities reads the effective capabilities of this process.
func OwnCapabilities() (Capabilities, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return Capabilities(set), err
		}
	}
	return 0, errors.New("read capabilities: no CapEff line in /proc/self/status")
}

// Release is the version of the kernel, "" when it does not say.
func Release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// Security reads a file of securityfs (Documentation/admin-guide/LSM), such as lsm
// or lockdown, which need not be mounted anywhere.
func Security(name string) (string, error) {
	if text, err := os.ReadFile("/sys/kernel/security/" + name); err == nil {
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
	fd, err := unix.Openat(root, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open %s of securityfs: %w", name, err)
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	text, err := io.ReadAll(file)
	if err != nil {
		return "", fmt.Errorf("read %s of securityfs: %w", name, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// Mounts are the places where file systems are, by type, each in the order of
// /proc/self/mountinfo.
func Mounts() (map[string][]string, error) {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	defer file.Close()
	return parseMounts(file)
}

// parseMounts reads the format of proc_pid_mountinfo(5):
//
//	ID parent major:minor root mountpoint options [optional…] - type source options
func parseMounts(r io.Reader) (map[string][]string, error) {
	found := map[string][]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		mount, fs, ok := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if kind, _, _ := strings.Cut(fs, " "); ok && len(fields) > 4 {
			found[kind] = append(found[kind], fields[4])
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	return found, nil
}

package doctor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// withProgram loads a program that only returns a value, and uses it.
func withProgram(kind ebpf.ProgramType, attach ebpf.AttachType, returns int32, use func(*ebpf.Program) error) error {
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "gadget_probe", Type: kind, AttachType: attach, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, returns), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	defer prog.Close()
	if err := use(prog); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	return nil
}

// undo closes a link that was made only to see whether it can be.
func undo(l link.Link, err error) error {
	if err != nil {
		return err
	}
	return l.Close()
}

// probeSocket gives a program to a socket of packets that is bound to nothing.
func probeSocket() error {
	return withProgram(ebpf.SocketFilter, ebpf.AttachNone, 0, func(prog *ebpf.Program) error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, prog.FD())
	})
}

// probeTCX lets every packet of the loopback device pass for a moment.
func probeTCX() error {
	const next = -1 // TCX_NEXT (include/uapi/linux/bpf.h)
	return withProgram(ebpf.SchedCLS, ebpf.AttachNone, next, func(prog *ebpf.Program) error {
		device, err := net.InterfaceByName("lo")
		if err != nil {
			return err
		}
		return undo(link.AttachTCX(link.TCXOptions{Interface: device.Index, Program: prog, Attach: ebpf.AttachTCXIngress}))
	})
}

// probeCgroup attaches to a cgroup that has no process, and that it makes for this.
func probeCgroup(mounts []string) error {
	if len(mounts) == 0 {
		return errors.New("cgroup2 is not mounted")
	}
	const allow = 1
	return withProgram(ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress, allow, func(prog *ebpf.Program) error {
		dir := filepath.Join(mounts[0], fmt.Sprintf("gadget-doctor-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		defer os.Remove(dir)
		return undo(link.AttachCgroup(link.CgroupOptions{Path: dir, Attach: ebpf.AttachCGroupInetEgress, Program: prog}))
	})
}

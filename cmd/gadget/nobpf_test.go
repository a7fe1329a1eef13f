package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// withoutBPF is the program nobpf of scripts: it runs a command that is killed when
// it calls bpf(2).
func withoutBPF() {
	runtime.LockOSThread()
	path, err := exec.LookPath(os.Args[1])
	if err == nil {
		err = forbidBPF()
	}
	if err == nil {
		err = unix.Exec(path, os.Args[1:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "nobpf:", err)
	os.Exit(1)
}

// forbidBPF kills this thread's process when it calls bpf(2), but for creating maps
// and tokens, by which a library finds out about limits whenever a program starts.
func forbidBPF() error {
	// Offsets in struct seccomp_data (linux/seccomp.h); the command is the first
	// argument, on machines that keep the low half first.
	const number, command = 0, 16
	const tokenCreate = 36 // BPF_TOKEN_CREATE of linux/bpf.h
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	filter := []unix.SockFilter{
		load(number),
		equal(unix.SYS_BPF, 0, 4),
		load(command),
		equal(unix.BPF_MAP_CREATE, 2, 0),
		equal(tokenCreate, 1, 0),
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}

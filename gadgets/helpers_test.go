package gadgets_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// load compiles a file and loads it with some variables set.
func load(t *testing.T, file, clang string, variables map[string]any) *ebpf.Collection {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(compile(t, file, "linux/amd64", clang)))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range variables {
		if err := spec.Variables[name].Set(value); err != nil {
			t.Fatal(err)
		}
	}
	if m := spec.Maps["ig_build_id"]; m != nil {
		m.MaxEntries = 16 // by ig_build_id_max_entries, when a runner loads it
	}
	// The owner of a socket is no type of the kernel's: who fills the map says what it is.
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		Programs: ebpf.ProgramOptions{ExtraRelocationTargets: []*btf.Spec{socketOwner(t, spec.Types)}},
	})
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(coll.Close)
	return coll
}

// socketOwner returns a spec with only struct gadget_socket_value in it.
func socketOwner(t *testing.T, types *btf.Spec) *btf.Spec {
	t.Helper()
	var owner *btf.Struct
	if err := types.TypeByName("gadget_socket_value", &owner); err != nil {
		t.Fatal(err)
	}
	b, err := btf.NewBuilder([]btf.Type{owner}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// The verifier accepts what networking gadgets are made of, and tc and socket
// filters among them run.
func TestNetworkingHeaders(t *testing.T) {
	needRoot(t)
	for _, clang := range clangs() {
		load(t, "testdata/networking.bpf.c", clang, nil)
		load(t, "testdata/networking.bpf.c", clang, map[string]any{"gadget_filter_by_mntns": true, "targ_pid": uint32(1), "targ_comm": [16]byte{'x'}})
	}
}

// What the headers' functions return, from a program that runs when this process
// asks for its process id.
func TestHelpers(t *testing.T) {
	needRoot(t)
	for _, clang := range clangs() {
		t.Run(filepath.Base(filepath.Dir(filepath.Dir(clang))), func(t *testing.T) {
			coll := load(t, "testdata/helpers.bpf.c", clang, map[string]any{"collect_ustack": true})
			lk, err := link.AttachTracing(link.TracingOptions{Program: coll.Programs["use_all"]})
			if err != nil {
				t.Fatal(err)
			}
			defer lk.Close()
			reader, err := ringbuf.NewReader(coll.Maps["events"])
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			checkHelpers(t, reader)
		})
	}
}

type helpersEvent struct {
	Numbers [16]uint64
	Comm    [16]byte
	PID     uint32
	TID     uint32
	MntNS   uint64
	UID     uint32
	GID     uint32
	PComm   [16]byte
	PPID    uint32
	PTID    uint32
	Ustack  struct {
		Major, Minor            uint32
		Inode, MtimeSec         uint64
		MtimeNsec, BaseHash     uint32
		StackID, TGID, PID      uint32
		PIDNS, PID1, PIDNS1     uint32
		CorrelationID, BootTime uint64
	}
}

func checkHelpers(t *testing.T, reader *ringbuf.Reader) {
	t.Helper()
	reader.SetDeadline(time.Now().Add(10 * time.Second))
	var e helpersEvent
	for {
		_, _, _ = syscall.RawSyscall(unix.SYS_GETPID, 0, 0, 0)
		record, err := reader.Read()
		if err != nil {
			t.Fatal(err)
		}
		if err := binary.Read(bytes.NewReader(record.RawSample), binary.LittleEndian, &e); err != nil {
			t.Fatal(err)
		}
		if e.PID == uint32(os.Getpid()) {
			break
		}
	}
	inode := func(path string) uint64 {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino
	}
	var exe unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &exe); err != nil {
		t.Fatal(err)
	}
	for _, check := range []struct {
		what      string
		got, want uint64
	}{
		// Published values of the hash for "a", and for "a" followed by more letters.
		{"fnv32a", e.Numbers[0], 0xe40c292c},
		{"fnv64a", e.Numbers[1], 0xaf63dc4c8601ec8c},
		{"fnv32a of a number", e.Numbers[2], uint64(fnv32a("aabcd"))},
		{"fnv64a of a number", e.Numbers[3], fnv64a("aabcdefgh")},
		{"slots of 0, 1, 255, 256", e.Numbers[4], 0<<24 | 1<<16 | 8<<8 | 9},
		{"slot of 1<<63, log2 of 65535", e.Numbers[5], 64<<8 | 15},
		{"mount namespace", e.Numbers[7], inode("/proc/self/ns/mnt")},
		{"task state", e.Numbers[8], 0},
		{"system call", e.Numbers[12], unix.SYS_GETPID},
		{"mount namespace of the process", e.MntNS, inode("/proc/self/ns/mnt")},
		{"pid", uint64(e.PID), uint64(os.Getpid())},
		{"ppid", uint64(e.PPID), uint64(os.Getppid())},
		{"uid", uint64(e.UID), uint64(os.Getuid())},
		{"inode of the program", e.Ustack.Inode, exe.Ino},
		{"device of the program", uint64(e.Ustack.Major)<<32 | uint64(e.Ustack.Minor), uint64(unix.Major(exe.Dev))<<32 | uint64(unix.Minor(exe.Dev))},
		{"mtime of the program", e.Ustack.MtimeSec, uint64(exe.Mtim.Sec)},
		{"ns of mtime", uint64(e.Ustack.MtimeNsec), uint64(exe.Mtim.Nsec)},
		{"process in the outermost namespace", uint64(e.Ustack.TGID), uint64(os.Getpid())},
		{"thread in the outermost namespace", uint64(e.Ustack.PID), uint64(e.TID)},
		{"pid namespace", uint64(e.Ustack.PIDNS), inode("/proc/self/ns/pid")},
	} {
		if check.got != check.want {
			t.Errorf("%s is %#x, want %#x", check.what, check.got, check.want)
		}
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/comm", e.TID))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(bytes.TrimRight(e.Comm[:], "\x00")); got+"\n" != string(comm) {
		t.Errorf("comm is %q, want %q", got, comm)
	}
}

func fnv32a(s string) uint32 {
	h := uint32(0x811c9dc5)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 0x01000193
	}
	return h
}

func fnv64a(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}

package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/runner/container"
)

// TestMapElements checks that an iterator walks the map that the gadget names,
// time and again, and leaves what is in it.
func TestMapElements(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/elements")
	var out bytes.Buffer
	o := floodOptions(&out)
	o.Params = map[string]string{"target": o.Params["target"], "syscall_nr": o.Params["syscall"]}
	o.Encoder = json
	p.Sources[0].Interval, p.Sources[0].Count = 20*time.Millisecond, 0
	runUntil(t, p, o, func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for i := range 1000 {
			unix.Syscall(unix.SYS_GETPRIORITY, uintptr(i)+5, 0, 0)
			if i%100 == 0 {
				unix.Syscall(unix.SYS_GETPRIORITY, uintptr(i)+5, 0, 0)
			}
		}
		time.Sleep(100 * time.Millisecond)
	})
	want := map[int]int{}
	for i := 5; i < 1000; i += 100 {
		want[i] = 2
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	for _, line := range lines[max(0, len(lines)-2):] {
		var rows []struct{ Argument, Calls int }
		decode(t, line, &rows)
		got := map[int]int{}
		for _, r := range rows {
			got[r.Argument] = r.Calls
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

// TestCgroups checks that an iterator of control groups walks all of them.
func TestCgroups(t *testing.T) {
	gadgettest.NeedRoot(t)
	var out bytes.Buffer
	if _, err := Run(t.Context(), gadgettest.Plan(t, "testdata/cgroups"), Options{Out: &out, Encoder: json}); err != nil {
		t.Fatal(err)
	}
	var rows []struct{ ID, Parent uint64 }
	decode(t, out.Bytes(), &rows)
	// The first is the root; all others come after their parents.
	known := map[uint64]bool{}
	for i, r := range rows {
		if (i == 0) != (r.Parent == 0) || i > 0 && !known[r.Parent] {
			t.Errorf("row %d: control group %d below %d", i, r.ID, r.Parent)
		}
		known[r.ID] = true
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(string(own), "0::")
	var st unix.Stat_t
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if unix.Stat(mount+strings.TrimSpace(path), &st) == nil && known[st.Ino] {
			return
		}
	}
	t.Errorf("the control group of this process is not among %d: %s", len(rows), own)
}

func TestIteratorRefusals(t *testing.T) {
	gadgettest.NeedRoot(t)
	_, err := Run(t.Context(), gadgettest.Plan(t, "testdata/untargeted"), Options{Host: true})
	if err == nil || !strings.Contains(err.Error(), "GADGET_ITER_TARGET_MAP") || !strings.Contains(err.Error(), "each_element") {
		t.Errorf("without a map: %v", err)
	}

	p := gadgettest.Plan(t, "testdata/missingiter")
	var out bytes.Buffer
	if _, err := Run(t.Context(), p, Options{Host: true, Out: &out, Encoder: json}); err != nil {
		t.Errorf("with an alternative: %v", err)
	}
	if want := fmt.Sprintf(`,"pid":%d}`, os.Getpid()); strings.Count(out.String(), want) != 1 {
		t.Errorf("this process is not in it once: %.300s", &out)
	}
	p.Groups = nil
	_, err = Run(t.Context(), p, Options{Host: true})
	if !errors.Is(err, fs.ErrNotExist) || err.Error() != "program by_nothing: this kernel has no iterator teleports" {
		t.Errorf("without an alternative: %v", err)
	}
}

// network is a network namespace with a process and sockets.
type network struct {
	number uint32
	// inodes of the sockets by kind.
	inodes map[string]uint64
}

// openNetworkOf starts a process with namespaces of its own, or takes this one, and
// opens sockets in its network.
func openNetworkOf(t *testing.T, command ...string) *network {
	t.Helper()
	path := "/proc/thread-self/ns/net"
	if len(command) > 0 {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		ready, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			_ = cmd.Wait()
		})
		if _, err := ready.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		path = fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid)
	}
	file, number, err := openNetwork(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	n := &network{number: number, inodes: map[string]uint64{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		traveller, err := newTraveller()
		if err == nil {
			err = traveller.join(file, number)
		}
		if err != nil {
			t.Error(err)
			return
		}
		defer func() {
			if traveller.home() {
				runtime.UnlockOSThread()
			}
		}()
		n.open(t, "tcp", unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{})
		n.open(t, "local", unix.AF_UNIX, unix.SOCK_DGRAM, &unix.SockaddrUnix{Name: "@" + t.Name()})
		n.open(t, "netlink", unix.AF_NETLINK, unix.SOCK_RAW, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}()
	<-done
	return n
}

func (n *network) open(t *testing.T, kind string, family, style int, addr unix.Sockaddr) {
	fd, err := unix.Socket(family, style|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, addr); err != nil {
		t.Errorf("bind %s: %v", kind, err)
	}
	if kind == "tcp" {
		err = unix.Listen(fd, 1)
	}
	var st unix.Stat_t
	if err := errors.Join(err, unix.Fstat(fd, &st)); err != nil {
		t.Errorf("%s: %v", kind, err)
	}
	n.inodes[kind] = st.Ino
}

// TestIteratorsByNetwork checks that iterators of sockets are run in every wanted
// network namespace, once in each, also when their rows do not tell which it is.
func TestIteratorsByNetwork(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := gadgettest.Plan(t, "testdata/networks")
	own := openNetworkOf(t)
	// Two mount namespaces in one network.
	other := openNetworkOf(t, "unshare", "--mount", "--net", "sh", "-c",
		"unshare --mount sh -c 'echo; exec sleep 1000' & exec sleep 1000")
	if own.number == other.number {
		t.Fatal("one network")
	}
	for _, tt := range []struct {
		name string
		host bool
		want int
	}{{"host", true, 1}, {"containers", false, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if _, err := Run(t.Context(), p, Options{Host: tt.host, Out: &out, Encoder: json}); err != nil {
				t.Fatal(err)
			}
			var rows []struct {
				Kind string
				Ino  uint64
			}
			decode(t, out.Bytes(), &rows)
			for _, n := range []*network{own, other} {
				for kind, inode := range n.inodes {
					found := 0
					for _, r := range rows {
						if r.Kind == kind && r.Ino == inode {
							found++
						}
					}
					if found != tt.want {
						t.Errorf("%s socket in network %d: %d rows, want %d", kind, n.number, found, tt.want)
					}
				}
			}
		})
	}
}

// TestTraveller checks what becomes of network namespaces whose processes have
// ended, and that the thread is where it was in the end.
func TestTraveller(t *testing.T) {
	gadgettest.NeedRoot(t)
	other := openNetworkOf(t, "unshare", "--mount", "--net", "sh", "-c", "echo; exec sleep 1000")
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	gone, me := uint32(cmd.Process.Pid), uint32(os.Getpid())
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	traveller, err := newTraveller()
	if err != nil {
		t.Fatal(err)
	}
	enter := func(number uint32, pids ...uint32) bool {
		t.Helper()
		there, err := traveller.enter(container.NetworkNamespace{Number: number, PIDs: pids})
		if err != nil {
			t.Fatal(err)
		}
		return there
	}
	here := func() uint32 {
		t.Helper()
		file, number, err := openNetwork("/proc/thread-self/ns/net")
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
		return number
	}
	start := here()
	if enter(other.number, gone) || enter(other.number) || enter(other.number, me) || here() != start {
		t.Error("entered a network without a process in it")
	}
	// The process that has the number of one that has ended does not count.
	if pid := processIn(t, other.number); !enter(other.number, gone, me, pid) || here() != other.number {
		t.Error("not in the other network")
	}
	if !enter(start) || here() != start {
		t.Error("not back in the first network")
	}
	if pid := processIn(t, other.number); !enter(other.number, pid) || !traveller.home() || here() != start {
		t.Error("not home")
	}
}

// processIn finds a process in a network namespace.
func processIn(t *testing.T, number uint32) uint32 {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		var pid uint32
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil || pid == uint32(os.Getpid()) {
			continue
		}
		if file, n, err := openNetwork("/proc/" + e.Name() + "/ns/net"); err == nil {
			file.Close()
			if n == number {
				return pid
			}
		}
	}
	t.Fatalf("no process in network %d", number)
	return 0
}

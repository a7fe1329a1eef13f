package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// start follows processes for the test.
func start(t *testing.T, c Choice) *Table {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("eBPF needs root")
	}
	table, err := Start(Options{Choice: c, Notice: func(text string) {
		if !strings.HasSuffix(text, "; waiting") {
			t.Errorf("notice: %s", text)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return table
}

// group makes a cgroup of the unified hierarchy for the test; path is below its
// root.
func group(t *testing.T, path string) (dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("cgroups need root")
	}
	m, err := findMounts("/proc/self/mountinfo")
	if err != nil || m.unified == "" {
		t.Fatalf("no unified hierarchy: %v", err)
	}
	dir = filepath.Join(m.unified, path)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, dir) })
	return dir
}

// remove removes a cgroup, if it is there. The last processes leave it a moment after
// their end.
func remove(t *testing.T, dir string) {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		err := os.Remove(dir)
		if err == nil || os.IsNotExist(err) {
			return
		}
		if time.Now().After(end) {
			t.Errorf("remove cgroup: %v", err)
			return
		}
	}
}

// unique is a name for a unit that no other test has.
func unique(t *testing.T, suffix string) string {
	return fmt.Sprintf("gadget-test-%d-%s%s", os.Getpid(), strings.ToLower(t.Name()[4:]), suffix)
}

// shell is a shell that does what it is told.
type shell struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

func newShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{t: t, cmd: exec.Command("sh")}
	in, err := s.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.in, s.out = in, bufio.NewReader(out)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = s.cmd.Wait()
	})
	return s
}

func (s *shell) pid() uint32 { return uint32(s.cmd.Process.Pid) }

// do runs a line that prints one, a number.
func (s *shell) do(line string) (n uint32) {
	s.t.Helper()
	fmt.Fprintln(s.in, line)
	text, err := s.out.ReadString('\n')
	if err == nil {
		_, err = fmt.Sscan(text, &n)
	}
	if err != nil {
		s.t.Fatalf("%s: %q: %v", line, text, err)
	}
	return n
}

// move moves the shell to a cgroup.
func (s *shell) move(dir string) {
	s.t.Helper()
	if err := os.WriteFile(dir+"/cgroup.procs", fmt.Append(nil, s.pid()), 0); err != nil {
		s.t.Fatal(err)
	}
}

// set lists the processes in the kernel's set.
func set(t *testing.T, table *Table) []uint32 {
	t.Helper()
	var pids []uint32
	var pid, why uint32
	members := table.Filter().Iterate()
	for members.Next(&pid, &why) {
		pids = append(pids, pid)
	}
	if err := members.Err(); err != nil {
		t.Fatal(err)
	}
	return pids
}

// chosen checks what the kernel and user space say of a process.
func chosen(t *testing.T, table *Table, pid uint32, want bool) {
	t.Helper()
	if got := slices.Contains(set(t, table), pid); got != want {
		t.Errorf("process %d in the kernel's set: %v", pid, got)
	}
	if got := table.Member(pid); got != want {
		t.Errorf("process %d chosen: %v", pid, got)
	}
}

// A command is followed through all its forks, and nothing else is; what has ended
// is still known, and leaves the kernel's set.
func TestDescendants(t *testing.T) {
	root, other := newShell(t), newShell(t)
	table := start(t, Choice{Command: root.pid()})
	chosen(t, table, root.pid(), true)
	chosen(t, table, other.pid(), false)
	chosen(t, table, other.do("sleep 1000 & echo $!"), false)
	defer other.do("kill $!; wait; echo 0")

	child := root.do("sh -c 'sleep 1000 & echo $!; wait' &")
	chosen(t, table, child, true)
	if !table.Descendants() {
		t.Error("nothing lives that descends from the command")
	}
	if err := (&os.Process{Pid: int(child)}).Kill(); err != nil {
		t.Fatal(err)
	}
	root.do("wait; echo 0")
	for end := time.Now().Add(5 * time.Second); slices.Contains(set(t, table), child); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a process that is gone is still in the kernel's set")
		}
	}
	if !table.Member(child) {
		t.Error("a process that is gone is not known any more")
	}
	pid := root.pid()
	root.in.(io.Closer).Close()
	_ = root.cmd.Wait()
	for end := time.Now().Add(5 * time.Second); slices.Contains(set(t, table), pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the command is gone and still in the kernel's set")
		}
	}
	// What is remembered of it may be from before.
	table.slots[pid%slots].Store(nil)
	if !table.Member(pid) {
		t.Error("the command is not known any more when it is gone")
	}
}

// A process belongs to the unit whose cgroup it is in, from its fork, from its move
// there, and until its move away.
func TestUnits(t *testing.T) {
	name := unique(t, ".service")
	inside, outside := group(t, name), group(t, unique(t, ".scope"))
	before := newShell(t)
	before.move(inside)
	table := start(t, Choice{Units: patterns(t, strings.TrimSuffix(name, ".service"))})
	chosen(t, table, before.pid(), true)
	chosen(t, table, before.do("sleep 1000 & echo $!"), true)
	chosen(t, table, uint32(os.Getpid()), false)
	if unit, cgroup := table.Place(before.pid()); unit != name || cgroup != "/"+name {
		t.Errorf("unit %q, cgroup %q", unit, cgroup)
	}

	// Children stay where they are when their parent moves away.
	child := before.do("echo $!")
	before.move(outside)
	chosen(t, table, before.pid(), false)
	chosen(t, table, child, true)
	chosen(t, table, before.do("echo $$"), false)
	if unit, _ := table.Place(before.pid()); unit != filepath.Base(outside) {
		t.Errorf("unit %q after a move to %s", unit, outside)
	}
	before.move(inside)
	chosen(t, table, before.pid(), true)

	short := before.do("sh -c 'echo $$'")
	before.do("echo 0") // when that one has ended
	if unit, _ := table.Place(short); unit != name || !table.Member(short) {
		t.Errorf("unit %q of a process that has ended", unit)
	}
	before.do("kill $!; wait; echo 0")
}

// A cgroup that is made later counts from its first process on, and one that is not
// wanted leaves nothing in the kernel's set.
func TestNewCgroups(t *testing.T) {
	name := unique(t, ".service")
	table := start(t, Choice{Units: patterns(t, "gadget-test-*,!*other*")})
	s := newShell(t)
	for range 20 {
		dir := group(t, name)
		s.move(dir)
		chosen(t, table, s.pid(), true)
		chosen(t, table, s.do("sh -c 'echo $PPID'"), true)
		s.move(filepath.Dir(dir))
		chosen(t, table, s.pid(), false)
		remove(t, dir)
	}
	s.move(group(t, "other-"+unique(t, ".service")))
	if table.Member(s.pid()) {
		t.Error("a process of another unit is chosen")
	}
	for end := time.Now().Add(5 * time.Second); slices.Contains(set(t, table), s.pid()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a process of another unit stays in the kernel's set")
		}
	}
	s.move(filepath.Dir(group(t, name)))
}

// What is remembered costs nothing.
func TestLookupDoesNotAllocate(t *testing.T) {
	table := start(t, Choice{})
	pid := newShell(t).pid()
	table.Place(pid)
	if n := testing.AllocsPerRun(100, func() {
		if _, cgroup := table.Place(pid); cgroup == "" {
			t.Error("nothing is known of a process")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPlace(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("eBPF needs root")
	}
	table, err := Start(Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer table.Close()
	pid := uint32(os.Getpid())
	for b.Loop() {
		table.Place(pid)
	}
}

// The structs of the program are those that Go reads.
func TestLayouts(t *testing.T) {
	object, err := Object()
	if err != nil {
		t.Skip(err)
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(strings.NewReader(string(object)))
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]uintptr{"process": unsafe.Sizeof(known{}), "made": unsafe.Sizeof(made{})} {
		var s *btf.Struct
		if err := spec.Types.TypeByName(name, &s); err != nil {
			t.Fatal(err)
		}
		if uintptr(s.Size) != size {
			t.Errorf("struct %s has %d bytes, Go's %d", name, s.Size, size)
		}
	}
}

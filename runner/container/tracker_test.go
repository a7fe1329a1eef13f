package container

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"
)

// What C writes and what Go reads have the same layout.
func TestSightingLayout(t *testing.T) {
	spec, err := trackerSpec()
	if err != nil {
		t.Fatal(err)
	}
	var c *btf.Struct
	if err := spec.Types.TypeByName("sighting", &c); err != nil {
		t.Fatal(err)
	}
	if int(c.Size) != sightingSize || binary.Size(sighting{}) != sightingSize {
		t.Errorf("C has %d bytes, Go %d, the constant says %d", c.Size, binary.Size(sighting{}), sightingSize)
	}
	raw := make([]byte, sightingSize)
	for i, m := range c.Members {
		raw[m.Offset.Bytes()] = byte(i + 1)
	}
	s, err := decodeSighting(raw)
	if err != nil {
		t.Fatal(err)
	}
	got := []uint64{
		uint64(s.Kind), uint64(s.PID), s.MntNS, s.Generation, s.Boot, s.Started, s.CgroupID,
		uint64(s.NetNS), 9, uint64(s.Leaf[0]), uint64(s.Parent[0]),
	}
	for i, v := range got {
		if v != uint64(i+1) {
			t.Errorf("member %s is %d in Go, want %d", c.Members[i].Name, v, i+1)
		}
	}
	var k *btf.Struct
	if err := spec.Types.TypeByName("known", &k); err != nil {
		t.Fatal(err)
	}
	if int(k.Size) != binary.Size(known{}) {
		t.Errorf("struct known has %d bytes in C, %d in Go", k.Size, binary.Size(known{}))
	}
	if n := spec.Maps[FilterMapName].MaxEntries; n != FilterMapEntries {
		t.Errorf("the filter has %d entries in C, %d in Go", n, FilterMapEntries)
	}
}

func FuzzDecodeSighting(f *testing.F) {
	f.Add(make([]byte, sightingSize))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := decodeSighting(raw)
		if (err != nil) != (len(raw) < sightingSize) {
			t.Errorf("%d bytes: %v", len(raw), err)
		}
		if p := s.cgroupPath(); strings.Contains(p, "\x00") {
			t.Errorf("NUL in %q", p)
		}
	})
}

// private starts a process in a mount namespace of its own, and returns it with
// the number of the namespace.
func private(t *testing.T) (*exec.Cmd, uint64) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // It may have been ended.
		_ = cmd.Wait()
	})
	view := newHostView("")
	return cmd, view.namespace(strconv.Itoa(cmd.Process.Pid), "mnt")
}

// A namespace is noticed, taken for the host's, and gone when its process is; with
// the iterator of tasks and without.
func TestNamespaceOfTheHost(t *testing.T) {
	for _, tt := range []struct {
		name    string
		iterate bool
	}{{"iterator", true}, {"scan", false}} {
		t.Run(tt.name, func(t *testing.T) {
			if os.Geteuid() != 0 {
				t.Skip("eBPF needs root")
			}
			_, before := private(t)
			filter, err := NewFilterMap()
			if err != nil {
				t.Fatal(err)
			}
			defer filter.Close()
			w, err := start(context.Background(), Options{FilterMap: filter, Host: true}, tt.iterate)
			if err != nil {
				t.Fatal(err)
			}
			closeAfter(t, w)
			table := w.Table()
			eventually(t, "the one that was there is the host's", func() bool {
				_, state := table.Lookup(before, 0)
				return state == Host
			})
			cmd, number := private(t)
			// Start returns a moment before the exec that the tracker sees.
			var one uint32
			eventually(t, "a new one is in the filter", func() bool { return filter.Lookup(number, &one) == nil })
			eventually(t, "it is the host's", func() bool {
				_, state := table.Lookup(number, 0)
				return state == Host
			})
			if err := filter.Lookup(number, &one); err != nil {
				t.Errorf("the host's are wanted, but it is not in the filter: %v", err)
			}
			own := w.ledger.view.namespace("self", "mnt")
			if _, state := table.Lookup(own, 0); state != Host {
				t.Errorf("our own is %v", state)
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			eventually(t, "it leaves the filter", func() bool { return filter.Lookup(number, &one) != nil })
		})
	}
}

// The number of a namespace is often given away at once. Each owner is noticed.
func TestGenerations(t *testing.T) {
	w := startWatcher(t, Options{Host: true}, false)
	numbers := map[uint64]int{}
	const runs = 20
	for range runs {
		cmd, number := private(t)
		numbers[number]++
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Logf("%d namespaces had %d numbers", runs, len(numbers))
	time.Sleep(50 * time.Millisecond)
	for number, n := range numbers {
		owners := (*w.Table().owners.Load())[number]
		if len(owners) != n {
			t.Errorf("%d had %d owners, the table knows %d", number, n, len(owners))
		}
		for i := range owners[1:] {
			if owners[i].after < owners[i+1].end || owners[i+1].end == 0 {
				t.Errorf("%d: one owner begins after %d, the one before ends at %d", number, owners[i].after, owners[i+1].end)
			}
		}
	}
}

// The tracker finds its way around what only a look at all tasks can tell: a
// thread that unshares and then neither forks nor execs.
func TestSweepFindsQuietNamespaces(t *testing.T) {
	w := startWatcher(t, Options{Host: true}, false)
	release := make(chan struct{})
	number := make(chan uint64)
	go func() {
		runtime.LockOSThread()
		if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
			t.Error(err)
		}
		number <- w.ledger.view.namespace("thread-self", "mnt")
		<-release // The thread ends with the goroutine.
	}()
	n := <-number
	eventually(t, "it is found", func() bool {
		_, state := w.Table().Lookup(n, 0)
		return state != Unknown
	})
	close(release)
}

// Closing costs next to nothing: a classic tracepoint alone would take 60 ms.
func TestCloseIsQuick(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("eBPF needs root")
	}
	best := time.Hour // The best of some: others use the machine too.
	for range 5 {
		w, err := Start(t.Context(), Options{Notice: func(string) {}})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(begin))
	}
	t.Logf("close takes %v", best)
	if best > 5*time.Millisecond {
		t.Errorf("close takes %v, at most 5 ms are allowed", best)
	}
}

// After Close readers of late events are not told to wait for news.
func TestTableAfterClose(t *testing.T) {
	w := startWatcher(t, Options{Host: true}, false)
	_, number := private(t)
	eventually(t, "it is the host's", func() bool {
		_, state := w.Table().Lookup(number, 0)
		return state == Host
	})
	for range 50 {
		private(t)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, v := w.Table().Judge(number, 0); v != Emit {
		t.Errorf("judged %v", v)
	}
}

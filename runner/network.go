package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/pipe"
)

// perNetwork says whether an iterator shows the network namespace of the thread
// that opens it: those whose init_seq_private is bpf_iter_init_seq_net (net/ipv4/tcp_ipv4.c,
// net/ipv4/udp.c, net/unix/af_unix.c, net/netlink/af_netlink.c, net/ipv6/route.c).
// The kernel tells nobody which these are.
func perNetwork(prog *plan.Program) bool {
	switch prog.Hook {
	case "tcp", "udp", "unix", "netlink", "ipv6_route":
		return prog.Kind == "iter"
	}
	return false
}

// eachNetwork calls do once in every network namespace in which somebody lives
// whose events are wanted, on a thread that is in that namespace.
func eachNetwork(table *container.Table, do func() error) error {
	done := make(chan error, 1)
	go func() {
		// Not undone unless the thread is back where it was: else it ends with
		// this function.
		runtime.LockOSThread()
		t, err := newTraveller()
		if err != nil {
			done <- err
			return
		}
		err = t.visit(table, do)
		if t.home() {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// traveller is a thread that goes from one network namespace to another.
type traveller struct {
	// origin is where it comes from.
	origin *os.File
	// first and here are numbers of namespaces: the origin's, and where it is now.
	first, here uint32
}

// newTraveller is for a goroutine that is locked to its thread.
func newTraveller() (*traveller, error) {
	file, number, err := openNetwork("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("open own network namespace: %w", err)
	}
	return &traveller{origin: file, first: number, here: number}, nil
}

// visit calls do in each namespace. What has ended meanwhile is left out.
func (t *traveller) visit(table *container.Table, do func() error) error {
	until := time.Now().Add(pipe.Patience)
	for _, n := range table.Networks() {
		if _, verdict := pipe.Await(table, container.Network(n.Number), until); verdict == container.Drop {
			continue
		}
		there, err := t.enter(n)
		if err != nil {
			return err
		}
		if !there {
			continue
		}
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// enter goes to a namespace through one of its processes. It is false when there is
// none any more.
func (t *traveller) enter(n container.NetworkNamespace) (there bool, err error) {
	switch n.Number {
	case t.here:
		return true, nil
	case t.first:
		return true, t.join(t.origin, n.Number)
	}
	for _, pid := range n.PIDs {
		file, number, err := openNetwork(fmt.Sprintf("/proc/%d/ns/net", pid))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // It has ended.
		}
		if err != nil {
			return false, networkError(n.Number, err)
		}
		if number == n.Number {
			err = t.join(file, number)
			there = true
		}
		_ = file.Close() // Only read.
		if there {
			return err == nil, err
		}
	}
	return false, nil
}

func (t *traveller) join(namespace *os.File, number uint32) error {
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return networkError(number, err)
	}
	t.here = number
	return nil
}

// home ends the journey. It is false when the thread could not go back.
func (t *traveller) home() bool {
	defer t.origin.Close()
	return t.here == t.first || t.join(t.origin, t.first) == nil
}

func networkError(number uint32, err error) error {
	return &HostError{Need: fmt.Sprintf("permission to enter network namespace %d", number), Err: err,
		Hint: "run as root, or with CAP_SYS_ADMIN and CAP_SYS_PTRACE besides"}
}

// openNetwork opens a network namespace and returns its number.
func openNetwork(path string) (*os.File, uint32, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		_ = file.Close()
		return nil, 0, fmt.Errorf("stat %s: %w", path, err)
	}
	return file, uint32(st.Ino), nil
}

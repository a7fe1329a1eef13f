package gadgets_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/testengine"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// socketNames are the fields of snapshot_socket that a test compares.
var socketNames = []string{
	"src.addr", "src.port", "dst.addr", "dst.port", "src.proto", "src.version", "state", "ino", "uid",
	"netns", "runtime.containerName", "k8s.podName", "k8s.namespace",
}

// testSockets are sockets of this process in one network namespace, with the rows
// that a snapshot must have of them.
type testSockets struct {
	t     *testing.T
	netns float64
	rows  []map[string]any
	// ports of this process's, with their protocols.
	ports map[string]bool
	fds   []int
}

// inNetwork calls do on a thread in the network namespace of a process.
func inNetwork(t *testing.T, pid string, do func()) {
	t.Helper()
	there, err := os.Open("/proc/" + pid + "/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		here, err := os.Open("/proc/thread-self/ns/net")
		if err == nil {
			defer here.Close()
			err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET)
		}
		if err != nil {
			t.Error(err)
			return
		}
		defer func() {
			// A thread that cannot go back ends with its function.
			if unix.Setns(int(here.Fd()), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
		}()
		do()
	}()
	<-done
	if t.Failed() {
		t.FailNow()
	}
}

// openSockets opens sockets in the network namespace of a process, in every state
// that does not pass by itself.
func openSockets(t *testing.T, pid string) *testSockets {
	t.Helper()
	s := &testSockets{t: t, ports: map[string]bool{}}
	t.Cleanup(func() {
		for _, fd := range s.fds {
			unix.Close(fd)
		}
	})
	inNetwork(t, pid, func() {
		var ns unix.Stat_t
		s.check(unix.Stat("/proc/thread-self/ns/net", &ns))
		s.netns = float64(ns.Ino)
		s.check(enableIPv6())
		for _, ip := range []string{"127.0.0.1", "::1"} {
			addr := netip.MustParseAddr(ip)
			s.connections(addr)
			s.datagrams(addr)
		}
		s.mapped()
	})
	return s
}

// enableIPv6 undoes what docker does to a container without a network.
func enableIPv6() error {
	const file = "/proc/sys/net/ipv6/conf/lo/disable_ipv6"
	disabled, err := os.ReadFile(file)
	if err != nil || string(disabled) == "0\n" {
		return err
	}
	return os.WriteFile(file, []byte("0"), 0o644)
}

// check ends the goroutine when something could not be made: the rest would be
// about nothing.
func (s *testSockets) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Error(err)
		runtime.Goexit()
	}
}

// socket opens a socket on a free port.
func (s *testSockets) socket(addr netip.Addr, kind int) int {
	s.t.Helper()
	return s.socketOf(addr, kind, 0)
}

// socketOf is socket for another protocol than the usual one.
func (s *testSockets) socketOf(addr netip.Addr, kind, protocol int) int {
	s.t.Helper()
	family := unix.AF_INET
	if addr.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	s.check(err)
	s.fds = append(s.fds, fd)
	s.check(unix.Bind(fd, sockaddr(netip.AddrPortFrom(addr, 0))))
	return fd
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// local is the address of a socket.
func (s *testSockets) local(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	s.check(err)
	return addrPort(sa)
}

// expect adds the row of a socket; fd is -1 for one that no process has.
func (s *testSockets) expect(proto string, src, dst netip.AddrPort, state string, fd int) {
	var st unix.Stat_t
	if fd >= 0 {
		s.check(unix.Fstat(fd, &st))
	}
	version := 4
	if src.Addr().Is6() {
		version = 6
	}
	s.ports[fmt.Sprintf("%s/%d", proto, src.Port())] = true
	s.rows = append(s.rows, map[string]any{
		"src.addr": src.Addr().String(), "src.port": float64(src.Port()),
		"dst.addr": dst.Addr().String(), "dst.port": float64(dst.Port()),
		"src.proto": proto, "src.version": float64(version), "state": state,
		"ino": float64(st.Ino), "uid": 0.0, "netns": s.netns,
	})
}

// unspecified is the other end of what is not connected.
func unspecified(addr netip.Addr) netip.AddrPort {
	if addr.Is4() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
}

func (s *testSockets) connections(addr netip.Addr) {
	listen := func(backlog int) int {
		fd := s.socket(addr, unix.SOCK_STREAM)
		s.check(unix.Listen(fd, backlog))
		s.expect("TCP", s.local(fd), unspecified(addr), "LISTEN", fd)
		return fd
	}
	connect := func(to int) int {
		fd := s.socket(addr, unix.SOCK_STREAM)
		s.check(unix.Connect(fd, sockaddr(s.local(to))))
		return fd
	}
	accept := func(from int) int {
		fd, _, err := unix.Accept4(from, unix.SOCK_CLOEXEC)
		s.check(err)
		s.fds = append(s.fds, fd)
		return fd
	}
	server := listen(10)

	client := connect(server)
	accepted := accept(server)
	s.expect("TCP", s.local(client), s.local(server), "ESTABLISHED", client)
	s.expect("TCP", s.local(server), s.local(client), "ESTABLISHED", accepted)

	half := connect(server)
	accepted = accept(server)
	s.check(unix.Shutdown(half, unix.SHUT_WR))
	s.expect("TCP", s.local(half), s.local(server), "FIN_WAIT2", half)
	s.expect("TCP", s.local(server), s.local(half), "CLOSE_WAIT", accepted)

	gone := connect(server)
	accepted = accept(server)
	s.expect("TCP", s.local(gone), s.local(server), "TIME_WAIT", -1)
	for _, fd := range []int{gone, accepted} {
		s.check(unix.Close(fd))
		s.fds = slices.DeleteFunc(s.fds, func(open int) bool { return open == fd })
	}

	// Nobody has accepted the first; for the second there is no room.
	full := listen(0)
	queued := connect(full)
	s.expect("TCP", s.local(queued), s.local(full), "ESTABLISHED", queued)
	s.expect("TCP", s.local(full), s.local(queued), "ESTABLISHED", -1)
	waiting := s.socket(addr, unix.SOCK_STREAM|unix.SOCK_NONBLOCK)
	if err := unix.Connect(waiting, sockaddr(s.local(full))); !errors.Is(err, unix.EINPROGRESS) {
		s.check(fmt.Errorf("connect where there is no room: %w", err))
	}
	s.expect("TCP", s.local(waiting), s.local(full), "SYN_SENT", waiting)

	// A connection that begins with the first data.
	deferred := listen(10)
	s.check(unix.SetsockoptInt(deferred, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 60))
	silent := connect(deferred)
	s.expect("TCP", s.local(silent), s.local(deferred), "ESTABLISHED", silent)
	s.expect("TCP", s.local(deferred), s.local(silent), "NEW_SYN_RECV", -1)
}

// mapped is a server of IPv6 with a client of IPv4: that is what both speak.
func (s *testSockets) mapped() {
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.IPv6Unspecified()
	server := s.socket(v6, unix.SOCK_STREAM)
	s.check(unix.Listen(server, 10))
	s.expect("TCP", s.local(server), unspecified(v6), "LISTEN", server)
	client := s.socket(v4, unix.SOCK_STREAM)
	addr := netip.AddrPortFrom(v4, s.local(server).Port())
	s.check(unix.Connect(client, sockaddr(addr)))
	accepted, _, err := unix.Accept4(server, unix.SOCK_CLOEXEC)
	s.check(err)
	s.fds = append(s.fds, accepted)
	s.expect("TCP", s.local(client), addr, "ESTABLISHED", client)
	s.expect("TCP", addr, s.local(client), "ESTABLISHED", accepted)
}

func (s *testSockets) datagrams(addr netip.Addr) {
	bound := s.socket(addr, unix.SOCK_DGRAM)
	s.expect("UDP", s.local(bound), unspecified(addr), "CLOSE", bound)
	connected := s.socket(addr, unix.SOCK_DGRAM)
	s.check(unix.Connect(connected, sockaddr(s.local(bound))))
	s.expect("UDP", s.local(connected), s.local(bound), "ESTABLISHED", connected)
}

// with returns the expected rows with the names of a container.
func (s *testSockets) with(name, pod, namespace string) []map[string]any {
	var rows []map[string]any
	for _, row := range s.rows {
		named := map[string]any{"runtime.containerName": name, "k8s.podName": pod, "k8s.namespace": namespace}
		for k, v := range row {
			named[k] = v
		}
		rows = append(rows, named)
	}
	return rows
}

// own returns the rows of these sockets.
func (s *testSockets) own(rows []map[string]any) []map[string]any {
	var own []map[string]any
	for _, row := range rows {
		picked := pick(row, socketNames...)
		if picked["netns"] == s.netns && s.ports[fmt.Sprintf("%v/%v", picked["src.proto"], picked["src.port"])] {
			own = append(own, picked)
		}
	}
	return own
}

// The sockets of the host's and of containers' network namespaces.
func TestSnapshotSocket(t *testing.T) {
	p := planGadget(t, "snapshot_socket")
	d := testengine.StartDocker(t)
	run := func(name, network string, labels ...string) string {
		args := []string{"run", "--detach", "--rm", "--name", name, "--network", network}
		for _, l := range labels {
			args = append(args, "--label", l)
		}
		d.Do(t, append(args, testengine.Image, "sleep", "1000")...)
		return d.Do(t, "inspect", "--format", "{{.State.Pid}}", name)
	}
	pod := []string{"io.kubernetes.pod.name=checkout", "io.kubernetes.pod.namespace=shop"}
	host := openSockets(t, "thread-self")
	web := openSockets(t, run("web", "none"))
	shared := openSockets(t, run("pause", "none", pod...))
	run("app", "container:pause", pod...)

	hostRows, webRows, podRows := host.with("", "", ""), web.with("web", "", ""), shared.with("", "checkout", "shop")
	tests := []struct {
		name           string
		host           bool
		containers     string
		wantHost       []map[string]any
		wantWeb, wantP []map[string]any
	}{
		{"everything", true, "", hostRows, webRows, podRows},
		{"containers", false, "", nil, webRows, podRows},
		{"one container", false, "web", nil, webRows, nil},
		{"one of a pod", false, "app", nil, nil, podRows},
		{"host and one container", true, "web", hostRows, webRows, nil},
		{"host and none", true, "nobody", hostRows, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := runner.Options{Host: tt.host, Engines: engine.Options{Docker: d.Host()}}
			if tt.containers != "" {
				o.Selector.Name = container.Patterns{tt.containers}
			}
			rows := snapshotOf(t, p, o)
			for _, ns := range []struct {
				name    string
				sockets *testSockets
				want    []map[string]any
			}{{"host", host, tt.wantHost}, {"web", web, tt.wantWeb}, {"pod", shared, tt.wantP}} {
				diffRows(t, ns.name, ns.want, ns.sockets.own(rows))
			}
		})
	}
}

// diffRows compares rows in any order.
func diffRows(t *testing.T, what string, want, got []map[string]any) {
	t.Helper()
	lines := func(rows []map[string]any) string {
		var list []string
		for _, row := range rows {
			list = append(list, fmt.Sprint(row))
		}
		return strings.Join(slices.Sorted(slices.Values(list)), "\n")
	}
	if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
		t.Errorf("%s: -want +got:\n%s", what, diff)
	}
}

package gadgets_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/testengine"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// traffic adds up the rows of top_tcp by what names says of them.
func traffic(rows []map[string]any, names ...string) map[string][2]float64 {
	sums := map[string][2]float64{}
	for _, row := range rows {
		key := fmt.Sprint(pick(row, names...))
		sum := sums[key]
		sum[0] += row["sent_raw"].(float64)
		sum[1] += row["received_raw"].(float64)
		sums[key] = sum
	}
	return sums
}

// talk lets two processes of a container talk to each other: the client sends
// 123456 bytes, the server 70000. The server listens at the address, or at all.
func talk(t *testing.T, d *testengine.Docker, name, listen, addr string, port int) {
	t.Helper()
	script := fmt.Sprintf(`
rm -f /tmp/done
{ head -c 70000 /dev/zero; until [ -e /tmp/done ]; do sleep 0.02; done; } |
	nc -l -p %[2]d %[3]s | { head -c 123456 >/dev/null; echo >/tmp/done; } &
for i in 1 2 3 4 5 6 7 8 9; do
	grep -q ':%04[2]X 0*:0000 0A' /proc/net/tcp /proc/net/tcp6 && break
	sleep 0.1
done
head -c 123456 /dev/zero | nc %[1]s %[2]d | wc -c
wait`, addr, port, listen)
	if got := d.Do(t, "exec", name, "sh", "-c", script); got != "70000" {
		t.Errorf("over %s the client got %s bytes", addr, got)
	}
}

// talked is the traffic that talk makes in a container.
func talked(addr string, port int, version, netns float64) map[string][2]float64 {
	want := map[string][2]float64{}
	for role, sum := range map[string][2]float64{"client": {123456, 70000}, "server": {70000, 123456}} {
		row := map[string]any{
			"role": fmt.Sprint(role, " ", port), "comm": "nc", "runtime.containerName": "web", "netns": netns,
			"src.addr": addr, "dst.addr": addr, "src.proto": "TCP", "src.version": version, "dst.version": version,
		}
		want[fmt.Sprint(row)] = sum
	}
	return want
}

// The traffic of containers, in both directions and both versions of IP.
func TestTopTCP(t *testing.T) {
	p := planGadget(t, "top_tcp")
	p.Sources[0].Interval = 100 * time.Millisecond
	d := testengine.StartDocker(t)
	var netns float64
	for _, name := range []string{"other", "web"} {
		d.Run(t, []string{"--detach", "--rm", "--name", name}, "sleep", "1000")
		inNetwork(t, d.Do(t, "inspect", "--format", "{{.State.Pid}}", name), func() {
			var ns unix.Stat_t
			if err := errors.Join(enableIPv6(), unix.Stat("/proc/thread-self/ns/net", &ns)); err != nil {
				t.Error(err)
			}
			netns = float64(ns.Ino)
		})
	}
	v4, v6 := talked("127.0.0.1", 4000, 4, netns), talked("::1", 4001, 6, netns)
	// The server of these takes both versions.
	maps.Copy(v4, talked("127.0.0.1", 4002, 4, netns))
	both := maps.Clone(v4)
	maps.Copy(both, v6)
	for _, tt := range []struct {
		family string
		want   map[string][2]float64
	}{{"0", both}, {"4", v4}, {"6", v6}} {
		t.Run("family "+tt.family, func(t *testing.T) {
			o := runner.Options{Engines: engine.Options{Docker: d.Host()}, Params: map[string]string{"family": tt.family}}
			o.Selector.Name = container.Patterns{"web"}
			rows := rowsDuring(t, p, o, func() {
				talk(t, d, "other", "127.0.0.1", "127.0.0.1", 4000)
				talk(t, d, "web", "127.0.0.1", "127.0.0.1", 4000)
				talk(t, d, "web", "::1", "::1", 4001)
				talk(t, d, "web", "", "127.0.0.1", 4002)
			})
			for _, row := range rows {
				ends := pick(row, "src.port", "dst.port")
				for _, port := range []float64{4000, 4001, 4002} {
					switch port {
					case ends["src.port"]:
						row["role"] = fmt.Sprint("server ", port)
					case ends["dst.port"]:
						row["role"] = fmt.Sprint("client ", port)
					}
				}
				if row["pid"] == 0.0 || row["pid"] != row["tid"] {
					t.Errorf("process %v, thread %v", row["pid"], row["tid"])
				}
			}
			got := traffic(rows, "role", "comm", "runtime.containerName", "netns",
				"src.addr", "dst.addr", "src.proto", "src.version", "dst.version")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Both ends of a connection between two containers have their names.
func TestTopTCPNames(t *testing.T) {
	p := planGadget(t, "top_tcp")
	p.Sources[0].Interval = 100 * time.Millisecond
	d := testengine.StartDocker(t)
	pids := map[string]string{}
	for _, name := range []string{"web", "db"} {
		d.Run(t, []string{"--detach", "--rm", "--name", name}, "sleep", "1000")
		pids[name] = d.Do(t, "inspect", "--format", "{{.State.Pid}}", name)
	}
	testengine.Cable(t, "cable", pids["web"], "10.78.0.1/24", pids["db"], "10.78.0.2/24")
	const names, addrs = ".runtime.containerName", ".addr"
	want := map[string]bool{}
	for _, row := range []map[string]any{
		{"comm": "nc", "runtime.containerName": "web", "src" + names: "web", "dst" + names: "db", "src" + addrs: "10.78.0.1", "dst" + addrs: "10.78.0.2"},
		{"comm": "nc", "runtime.containerName": "db", "src" + names: "db", "dst" + names: "web", "src" + addrs: "10.78.0.2", "dst" + addrs: "10.78.0.1"},
	} {
		want[fmt.Sprint(row)] = true
	}
	rows := rowsDuring(t, p, runner.Options{Engines: engine.Options{Docker: d.Host()}}, func() {
		d.Do(t, "exec", "--detach", "db", "sh", "-c", "echo answer | nc -l -p 4000 >/dev/null")
		d.Do(t, "exec", "web", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo question | nc 10.78.0.2 4000 && break; sleep 0.1; done")
	})
	got := map[string]bool{}
	for _, row := range rows {
		got[fmt.Sprint(pick(row, "comm", "runtime.containerName", "src"+names, "dst"+names, "src"+addrs, "dst"+addrs))] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// connected is a connection of this process with itself.
func connected(t *testing.T, protocol int) (client, server int) {
	t.Helper()
	s := &testSockets{t: t, ports: map[string]bool{}}
	t.Cleanup(func() {
		for _, fd := range s.fds {
			unix.Close(fd)
		}
	})
	addr := netip.MustParseAddr("127.0.0.1")
	listener := s.socketOf(addr, unix.SOCK_STREAM, protocol)
	s.check(unix.Listen(listener, 1))
	client = s.socketOf(addr, unix.SOCK_STREAM, protocol)
	s.check(unix.Connect(client, sockaddr(s.local(listener))))
	server, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	s.check(err)
	s.fds = append(s.fds, server)
	return client, server
}

// What counts is what a call has done, not what it was asked for.
func TestTopTCPCalls(t *testing.T) {
	p := planGadget(t, "top_tcp")
	client, server := connected(t, unix.IPPROTO_TCP)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	sent, received := 0, 0
	send := func(what string, n int, err error) {
		if sent += n; err != nil || n == 0 {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
	receive := func(what string, n int, err error) {
		if received += n; err != nil || n == 0 {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
	const wanted = 64 << 20
	work := func() {
		source, err := os.Open(file)
		if err != nil {
			t.Error(err)
			return
		}
		defer source.Close()
		n, err := unix.Sendfile(client, int(source.Fd()), nil, 5000)
		send("sendfile", n, err)
		n, err = unix.Writev(client, [][]byte{make([]byte, 10), make([]byte, 20)})
		send("writev", n, err)
		// More than there is room for.
		n, err = unix.SendmsgN(client, make([]byte, wanted), nil, nil, unix.MSG_DONTWAIT)
		send("sendmsg", n, err)
		if n == wanted {
			t.Error("there was room for everything")
		}
		if n, err := unix.SendmsgN(client, []byte{1}, nil, nil, unix.MSG_DONTWAIT); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("full: %d, %v", n, err)
		}

		buf := make([]byte, 1<<20)
		for range 3 { // Looked at only.
			if _, _, err := unix.Recvfrom(server, buf, unix.MSG_PEEK); err != nil {
				t.Errorf("peek: %v", err)
			}
		}
		n, _, err = unix.Recvfrom(server, buf, unix.MSG_WAITALL)
		receive("all of it", n, err)
		n, err = unix.Readv(server, [][]byte{buf[:100], buf[100:200]})
		receive("readv", n, err)
		for received < sent {
			n, err := unix.Read(server, buf)
			receive("read", n, err)
		}
		// What is read when the connection is over.
		n, err = unix.Write(client, make([]byte, 100))
		send("write", n, err)
		finish(t, client, server)
		n, err = unix.Read(server, buf)
		receive("the rest", n, err)
		datagram(t)
	}
	rows := rowsDuring(t, p, runner.Options{Host: true, Params: map[string]string{"pid": fmt.Sprint(os.Getpid())}}, work)
	end := func(fd int) string {
		s := testSockets{t: t}
		return fmt.Sprint(map[string]any{"src.port": float64(s.local(fd).Port()), "src.proto": "TCP"})
	}
	want := map[string][2]float64{end(client): {float64(sent), 0}, end(server): {0, float64(received)}}
	if diff := cmp.Diff(want, traffic(rows, "src.port", "src.proto")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A connection of several paths is one connection.
func TestTopTCPMultipath(t *testing.T) {
	p := planGadget(t, "top_tcp")
	if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP); err != nil {
		t.Logf("this kernel has no MPTCP: %v", err)
		return
	} else {
		unix.Close(fd)
	}
	client, server := connected(t, unix.IPPROTO_MPTCP)
	rows := rowsDuring(t, p, runner.Options{Host: true, Params: map[string]string{"pid": fmt.Sprint(os.Getpid())}}, func() {
		buf := make([]byte, 3000)
		n, err := unix.Write(client, buf)
		m, readErr := unix.Read(server, buf)
		if n != 3000 || m != 3000 {
			t.Errorf("sent %d, %v; received %d, %v", n, err, m, readErr)
		}
	})
	s := testSockets{t: t}
	want := map[string][2]float64{
		fmt.Sprint(map[string]any{"src.port": float64(s.local(client).Port()), "src.proto": "MPTCP"}): {3000, 0},
		fmt.Sprint(map[string]any{"src.port": float64(s.local(server).Port()), "src.proto": "MPTCP"}): {0, 3000},
	}
	if diff := cmp.Diff(want, traffic(rows, "src.port", "src.proto")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// finish ends a connection, but for what its server has not read.
func finish(t *testing.T, client, server int) {
	t.Helper()
	if err := errors.Join(unix.Shutdown(client, unix.SHUT_WR), unix.Shutdown(server, unix.SHUT_WR)); err != nil {
		t.Fatal(err)
	}
	const closed = 7 // TCP_CLOSE, include/net/tcp_states.h
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		info, err := unix.GetsockoptTCPInfo(server, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Fatal(err)
		}
		if info.State == closed {
			return
		}
	}
	t.Fatal("the connection does not end")
}

// datagram sends something that is not TCP.
func datagram(t *testing.T) {
	s := &testSockets{t: t, ports: map[string]bool{}}
	addr := netip.MustParseAddr("127.0.0.1")
	from, to := s.socket(addr, unix.SOCK_DGRAM), s.socket(addr, unix.SOCK_DGRAM)
	defer unix.Close(from)
	defer unix.Close(to)
	s.check(unix.Sendto(from, make([]byte, 777), 0, sockaddr(s.local(to))))
	buf := make([]byte, 1000)
	n, err := unix.Read(to, buf)
	s.check(err)
	if !bytes.Equal(buf[:n], make([]byte, 777)) {
		t.Errorf("received %d bytes", n)
	}
}

package container

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/testengine"
	"github.com/gadget-bpf/gadget/runner/container/engine"
)

func TestParseAddresses(t *testing.T) {
	const trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n" +
		"     |-- 10.1.0.0\n        /24 link UNICAST\n     |-- 10.1.0.2\n        /32 host LOCAL\n" +
		"     |-- 10.1.0.255\n        /32 link BROADCAST\nLocal:\n     |-- 10.1.0.2\n        /32 host LOCAL\n" +
		"     |-- nonsense\n        /32 host LOCAL\n"
	want := []netip.Addr{netip.MustParseAddr("10.1.0.2")}
	if diff := cmp.Diff(want, parseRoutes(strings.NewReader(trie)), cmp.Comparer(equalAddr)); diff != "" {
		t.Errorf("routes: -want +got:\n%s", diff)
	}
	const inet6 = "fd000000000000000000000000000002 04 40 00 82     eth0\n00000000000000000000000000000001 01 80 10 80       lo\n" +
		"short 01\nzz000000000000000000000000000001 01 80 10 80       lo\n"
	want = []netip.Addr{netip.MustParseAddr("fd00::2"), netip.MustParseAddr("::1")}
	if diff := cmp.Diff(want, parseInet6(strings.NewReader(inet6)), cmp.Comparer(equalAddr)); diff != "" {
		t.Errorf("IPv6: -want +got:\n%s", diff)
	}
}

func equalAddr(a, b netip.Addr) bool { return a == b }

// Addresses of containers that come, share, and go, as they are seen from inside and
// from outside.
func TestAddresses(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	d := testengine.StartDocker(t)
	pids := map[string]string{}
	for _, name := range []string{"web", "db", "twin"} {
		d.Run(t, []string{"--detach", "--rm", "--name", name}, "sleep", "1000")
		pids[name] = d.Do(t, "inspect", "--format", "{{.State.Pid}}", name)
	}
	testengine.Cable(t, "cable0", pids["web"], "10.77.0.1/24", pids["db"], "10.77.0.2/24")
	w := startWatcher(t, Options{Engines: engine.Options{Docker: d.Host()}}, false)
	numbers := map[string]uint32{"host": 0}
	eventually(t, "names", func() bool {
		for _, c := range w.Table().Containers() {
			numbers[c.Name] = c.NetNS
		}
		return numbers["web"] != 0 && numbers["db"] != 0 && numbers["twin"] != 0
	})
	a := w.Addresses()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		a.Run(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	lookup := func(from, addr string) string {
		c := a.Lookup(numbers[from], netip.MustParseAddr(addr))
		switch {
		case c == nil:
			return ""
		case c.Name != "":
			return c.Name
		}
		return "node " + c.Node
	}
	node, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	check := func(want map[[2]string]string) {
		t.Helper()
		for who, name := range want {
			got := ""
			for until := time.Now().Add(5 * time.Second); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
				if got = lookup(who[0], who[1]); got == name {
					break
				}
			}
			if got != name {
				t.Errorf("%s asks for %s: got %q, want %q", who[0], who[1], got, name)
			}
		}
	}
	check(map[[2]string]string{
		{"web", "10.77.0.1"}: "web", {"web", "10.77.0.2"}: "db", {"db", "10.77.0.1"}: "web", {"host", "10.77.0.2"}: "db",
		{"web", "127.0.0.1"}: "web", {"db", "::1"}: "db", {"host", "127.0.0.1"}: "node " + node, {"web", "203.0.113.9"}: "",
		{"web", "0.0.0.0"}: "", {"web", "::"}: "",
	})
	// Another container gets the address that web has: only these two know whose it is.
	testengine.Cable(t, "cable1", pids["twin"], "10.77.0.1/24", pids["db"], "10.77.1.2/24")
	check(map[[2]string]string{{"twin", "10.77.0.1"}: "twin", {"web", "10.77.0.1"}: "web", {"host", "10.77.0.1"}: "", {"twin", "10.77.1.2"}: "db"})
	d.Do(t, "rm", "--force", "twin")
	check(map[[2]string]string{{"host", "10.77.0.1"}: "web"})
	addr, out := netip.MustParseAddr("10.77.0.2"), 0
	if n := testing.AllocsPerRun(1000, func() {
		if a.Lookup(numbers["web"], addr) == nil {
			out++
		}
	}); n != 0 || out > 0 {
		t.Errorf("%v allocations a look-up, %d without an answer", n, out)
	}
}

package container

import (
	"bufio"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxRoutes bounds what is read of the routes of a network namespace, in bytes.
const maxRoutes = 4 << 20

// addresses reads the IP addresses of a network namespace through a process that is in
// it. It is false when none of them can be read any more.
func (h *hostView) addresses(number uint32, pids []uint32) ([]netip.Addr, bool) {
	try := make([]string, 0, len(pids)+2)
	for _, pid := range pids {
		try = append(try, strconv.Itoa(int(pid)))
	}
	if number == h.netns {
		try = append(try, "1", "thread-self")
	}
	for _, pid := range try {
		if uint32(h.namespace(pid, "net")) != number {
			continue
		}
		v4, err := h.procNet(pid, "fib_trie", parseRoutes)
		if err != nil {
			continue
		}
		v6, _ := h.procNet(pid, "if_inet6", parseInet6) // absent where IPv6 is switched off
		return append(v4, v6...), true
	}
	return nil, false
}

func (h *hostView) procNet(pid, name string, parse func(io.Reader) []netip.Addr) ([]netip.Addr, error) {
	file, err := os.Open(filepath.Join(h.proc, pid, "net", name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return parse(io.LimitReader(file, maxRoutes)), nil
}

// parseRoutes finds the IPv4 addresses of the machine in /proc/net/fib_trie
// (net/ipv4/fib_trie.c, fib_trie_seq_show): an address, and below it "/32 host LOCAL".
func parseRoutes(r io.Reader) (addrs []netip.Addr) {
	var last netip.Addr
	seen := map[netip.Addr]bool{}
	for lines := bufio.NewScanner(r); lines.Scan() && len(addrs) < maxAddresses; {
		line := strings.TrimSpace(lines.Text())
		if leaf, ok := strings.CutPrefix(line, "|-- "); ok {
			last, _ = netip.ParseAddr(leaf)
			continue
		}
		if line == "/32 host LOCAL" && last.IsValid() && !seen[last] {
			seen[last] = true
			addrs = append(addrs, last)
		}
	}
	return addrs
}

// parseInet6 reads /proc/net/if_inet6 (net/ipv6/addrconf.c, if6_seq_show): the first
// word of each line is an address, 32 digits without colons.
func parseInet6(r io.Reader) (addrs []netip.Addr) {
	for lines := bufio.NewScanner(r); lines.Scan() && len(addrs) < maxAddresses; {
		word, _, _ := strings.Cut(lines.Text(), " ")
		if len(word) != 32 {
			continue
		}
		for i := 28; i > 0; i -= 4 {
			word = word[:i] + ":" + word[i:]
		}
		if addr, err := netip.ParseAddr(word); err == nil {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

package testengine

import (
	"os/exec"
	"strings"
	"testing"
)

// Cable connects the network namespaces of two processes by a pair of devices of
// that name, each with an address such as 10.1.0.1/24. It goes with either of them.
func Cable(t testing.TB, name, pid, addr, otherPID, otherAddr string) {
	t.Helper()
	in := func(pid string, args ...string) {
		t.Helper()
		cmd := exec.Command("nsenter", append([]string{"--net", "--target", pid, "ip"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	in(pid, "link", "add", name, "type", "veth", "peer", "name", name, "netns", otherPID)
	in(pid, "addr", "add", addr, "dev", name)
	in(otherPID, "addr", "add", otherAddr, "dev", name)
	in(pid, "link", "set", name, "up")
	in(otherPID, "link", "set", name, "up")
}

package host

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestMounts(t *testing.T) {
	const info = `22 1 0:21 / /proc rw,relatime - proc proc rw
30 22 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
31 22 0:28 / /mnt/again rw,relatime shared:9 master:1 - cgroup2 none rw
broken line
`
	got, err := parseMounts(strings.NewReader(info))
	want := map[string][]string{"proc": {"/proc"}, "cgroup2": {"/sys/fs/cgroup/unified", "/mnt/again"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got)\n%s", err, diff)
	}
	if own, err := Mounts(); err != nil || len(own["proc"]) == 0 {
		t.Errorf("this process has no /proc among %v, error %v", own, err)
	}
}

func TestConfig(t *testing.T) {
	c, err := parseConfig(strings.NewReader("CONFIG_BPF=y\nCONFIG_PACKET=m\n# CONFIG_KPROBES is not set\nCONFIG_HZ=250\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Without("CONFIG_BPF", "CONFIG_KPROBES", "CONFIG_PACKET", "CONFIG_FPROBE"); strings.Join(got, " ") != "CONFIG_KPROBES CONFIG_FPROBE" {
		t.Errorf("without %v", got)
	}
	if got := Config(nil).Without("CONFIG_BPF"); got != nil {
		t.Errorf("of an unknown kernel: %v", got)
	}
}

func TestOwnCapabilities(t *testing.T) {
	caps, err := OwnCapabilities()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 && !caps.Has(unix.CAP_SYS_ADMIN) {
		t.Errorf("root has %#x", caps)
	}
	if Capabilities(1 << unix.CAP_BPF).Has(unix.CAP_PERFMON) {
		t.Error("CAP_BPF is not CAP_PERFMON")
	}
}

func TestRelease(t *testing.T) {
	if r := Release(); r == "" || strings.ContainsAny(r, "\x00 ") {
		t.Errorf("release %q", r)
	}
}

package event

import (
	"testing"

	"golang.org/x/sys/unix"
)

// The numbers are those of the kernel's header, from first to last.
func TestCapabilities(t *testing.T) {
	for number, want := range map[uint64]string{
		unix.CAP_CHOWN: "CAP_CHOWN", unix.CAP_NET_BIND_SERVICE: "CAP_NET_BIND_SERVICE", unix.CAP_SYS_ADMIN: "CAP_SYS_ADMIN",
		unix.CAP_MKNOD: "CAP_MKNOD", unix.CAP_MAC_OVERRIDE: "CAP_MAC_OVERRIDE", unix.CAP_BPF: "CAP_BPF",
		unix.CAP_LAST_CAP: "CAP_CHECKPOINT_RESTORE", unix.CAP_LAST_CAP + 1: "UNKNOWN",
	} {
		if got := string(AppendEnum(nil, Capabilities(), number, 32)); got != want {
			t.Errorf("capability %d is %s, want %s", number, got, want)
		}
	}
	bits := uint64(1<<unix.CAP_NET_RAW | 1<<unix.CAP_CHECKPOINT_RESTORE)
	if got := string(AppendEnumSet(nil, CapabilityBits(), bits, "|")); got != "CAP_NET_RAW|CAP_CHECKPOINT_RESTORE" {
		t.Errorf("bits %#x are %s", bits, got)
	}
}

package event

import "strings"

// capabilities by number (include/uapi/linux/capability.h), without "CAP_".
const capabilities = `CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD
LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ
PERFMON BPF CHECKPOINT_RESTORE`

// Capabilities returns the names of capabilities by number, for an EnumName:
// CAP_CHOWN is 0.
func Capabilities() *Enum {
	return capabilityEnum("capability", func(n int) uint64 { return uint64(n) })
}

// CapabilityBits returns the names of capabilities by bit, for an EnumSet:
// CAP_CHOWN is 1.
func CapabilityBits() *Enum {
	return capabilityEnum("capability_set", func(n int) uint64 { return 1 << n })
}

func capabilityEnum(name string, value func(n int) uint64) *Enum {
	e := &Enum{Name: name}
	for n, c := range strings.Fields(capabilities) {
		e.Values = append(e.Values, EnumValue{Name: "CAP_" + c, Value: value(n)})
	}
	return e
}

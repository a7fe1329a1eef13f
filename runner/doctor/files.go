package doctor

import "strings"

// fileSystems look where file systems that gadgets use are mounted.
func fileSystems(mounts map[string][]string, err error) []Check {
	if err != nil {
		return []Check{{Name: "mounts", State: Unknown, Detail: err.Error()}}
	}
	return []Check{
		mounted(mounts, "tracefs", "gadget mounts it when it needs it, as root", "mount -t tracefs tracefs /sys/kernel/tracing"),
		mounted(mounts, "bpf", "maps cannot be pinned", "mount -t bpf bpf /sys/fs/bpf"),
		cgroups(mounts),
	}
}

func mounted(mounts map[string][]string, kind, without, remedy string) Check {
	if at := mounts[kind]; len(at) > 0 {
		return Check{Name: kind, State: OK, Detail: at[0]}
	}
	return Check{Name: kind, State: Limited, Detail: "not mounted: " + without, Remedy: remedy}
}

// cgroups says which versions there are. Programs see only version 2.
func cgroups(mounts map[string][]string) Check {
	c := Check{Name: "cgroups", State: OK}
	v1, v2 := len(mounts["cgroup"]) > 0, mounts["cgroup2"]
	switch {
	case len(v2) > 0 && v1:
		c.Detail = "hybrid: version 2 at " + strings.Join(v2, ", ") + ", controllers in version 1"
	case len(v2) > 0:
		c.Detail = "version 2 at " + strings.Join(v2, ", ")
	default:
		c.State, c.Detail = Limited, "version 2 is not mounted: gadgets that go by cgroups see nothing"
		c.Remedy = "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified"
		if !v1 {
			c.Remedy = "mount -t cgroup2 cgroup2 /sys/fs/cgroup"
		}
	}
	return c
}

package container

import (
	"cmp"
	"context"
	"os"
)

// Runtime is a container runtime of this machine.
type Runtime struct {
	Name, Socket string
	// Asked is true for runtimes that are asked for the names of containers.
	Asked bool
	// Version is what it says of itself; Err is why it did not.
	Version string
	Err     error
}

// runtimeSockets are where runtimes listen that are not asked yet.
var runtimeSockets = []Runtime{
	{Name: "containerd", Socket: "/run/containerd/containerd.sock"},
	{Name: "containerd of k3s", Socket: "/run/k3s/containerd/containerd.sock"},
	{Name: "cri-o", Socket: "/run/crio/crio.sock"},
	{Name: "podman", Socket: "/run/podman/podman.sock"},
}

// Runtimes are those whose sockets are here. dockerHost is as in [Options].
func Runtimes(ctx context.Context, dockerHost string) []Runtime {
	var found []Runtime
	if d, err := newDocker(cmp.Or(dockerHost, os.Getenv("DOCKER_HOST"))); err != nil {
		found = append(found, Runtime{Name: "docker", Asked: true, Err: err})
	} else if version, err := d.version(ctx); err == nil || !d.absent(err) {
		found = append(found, Runtime{Name: "docker", Socket: d.socket, Asked: true, Version: version, Err: err})
	}
	for _, r := range runtimeSockets {
		if info, err := os.Stat(r.Socket); err == nil && info.Mode()&os.ModeSocket != 0 {
			found = append(found, r)
		}
	}
	return found
}

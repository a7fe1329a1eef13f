package container

import (
	"bytes"
	"strings"

	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// identity is what can be told of a container without asking its runtime.
type identity struct {
	// runtime is "" when that is not known.
	runtime, id string
	// path of the container's own cgroup, without what is below it; "" when it has
	// none.
	path string
	// namespace is containerd's, bundle the directory of the config.json; "" when
	// they are not known.
	namespace, bundle string
	// source says how it was found.
	source string
}

// Sources of identities.
const (
	fromCgroup  = "cgroup"
	fromCommand = "command line of the runtime"
	fromState   = "state file"
	fromTracker = "name of its cgroup"
)

// ref is how engines call the container.
func (id *identity) ref() engine.Ref {
	ref := engine.Ref{ID: id.id, Namespace: id.namespace, Bundle: id.bundle}
	if isID(id.id) {
		ref.Namespace = "" // It is unique.
	}
	return ref
}

// key tells containers apart.
type key struct{ id, namespace string }

func keyOf(ref engine.Ref) key { return key{ref.ID, ref.Namespace} }

// scopeRuntimes are the prefixes that runtimes put before the id in the name of a
// systemd scope, or of a directory when they make cgroups themselves.
var scopeRuntimes = map[string]string{
	"docker":         "docker",
	"cri-containerd": "containerd",
	"nerdctl":        "containerd",
	"crio":           "cri-o",
	"libpod":         "podman",
	"runc":           "runc",
	"crun":           "crun",
}

// identifyCgroups reads a /proc/PID/cgroup file. The unified hierarchy counts
// first, then those of version 1 in the file's order; runtimes use the same path
// in all of them, but not every one makes it in every hierarchy.
func identifyCgroups(file []byte) (identity, bool) {
	var found identity
	for line := range bytes.Lines(file) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		id, ok := identifyPath(fields[2])
		if ok && fields[0] == "0" {
			return id, true
		}
		if ok && found.id == "" {
			found = id
		}
	}
	return found, found.id != ""
}

// identifyPath looks for a container in a cgroup path. The last component that
// names one counts: containers may have cgroups of their own below theirs, and
// other containers in them.
//
//	/docker/ID                                          docker, cgroupfs
//	/system.slice/docker-ID.scope                       docker, systemd
//	/docker/buildkit/ID                                 docker's builder
//	/kubepods/besteffort/podUID/ID                      Kubernetes, cgroupfs
//	/kubepods.slice/…/cri-containerd-ID.scope           containerd
//	/kubepods/…/crio-ID, …/crio-ID.scope                CRI-O
//	/system.slice/…/kubepods-podUID.slice:cri-containerd:ID   a systemd path in cgroupfs
//	/machine.slice/libpod-ID.scope, /libpod_parent/libpod-ID  podman
//	/system.slice/runc-NAME.scope                       runc without an engine
//	/anything/ID                                        --cgroup-parent
//
// ID is 64 hexadecimal digits.
func identifyPath(path string) (identity, bool) {
	for end := len(path); end > 0; {
		start := strings.LastIndexByte(path[:end], '/') + 1
		if runtime, id, ok := identifyComponent(path[:start], path[start:end]); ok {
			return identity{runtime: runtime, id: id, path: path[:end]}, true
		}
		end = start - 1
	}
	return identity{}, false
}

func identifyComponent(parents, name string) (runtime, id string, ok bool) {
	if isID(name) {
		switch {
		case strings.Contains(parents, "/docker/"):
			return "docker", name, true
		case strings.Contains(parents, "/libpod_parent/"):
			return "podman", name, true
		}
		return "", name, true
	}
	if strings.HasSuffix(parents, "/docker/buildkit/") && isAlphanumeric(name) {
		return "docker", name, true
	}
	if slice, rest, found := strings.Cut(name, ".slice:"); found && slice != "" {
		prefix, id, _ := strings.Cut(rest, ":")
		runtime, ok := scopeRuntimes[prefix]
		return runtime, id, ok && id != ""
	}
	scope, isScope := strings.CutSuffix(name, ".scope")
	for prefix, runtime := range scopeRuntimes {
		id, found := strings.CutPrefix(scope, prefix+"-")
		if !found {
			continue
		}
		// Only engines give ids; without one the name is the user's.
		named := runtime == "runc" || runtime == "crun"
		if isID(id) || named && isScope && id != "" {
			return runtime, id, true
		}
	}
	return "", "", false
}

// isID says whether s is a container id as all engines make them.
func isID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

func isAlphanumeric(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyz") == ""
}

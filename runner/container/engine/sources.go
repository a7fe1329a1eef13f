package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Options say where engines are. The zero value is: wherever distributions put them.
type Options struct {
	// Root is the host's root directory as this process sees it, "" for its own.
	Root string
	// Docker, Containerd, CRIO and Podman are sockets, as a path or as unix://PATH,
	// instead of the usual ones.
	Docker, Containerd, CRIO, Podman string
	// Namespaces of containerd to look in; nil for all.
	Namespaces []string
	// CRI asks containerd by the Container Runtime Interface too, not by its own
	// API.
	CRI bool
	// Wanted is false for runtimes that are not to be asked; nil wants all.
	// Expected are those that somebody named: it is an error when they are not here.
	Wanted   func(runtime string) bool
	Expected []string
}

// Source is an engine that is here.
type Source struct {
	Engine
	// Runtime is docker, containerd, cri-o or podman.
	Runtime string
	// Address is its socket, or "files".
	Address string
	// Configured is true when somebody said that it is there.
	Configured bool
}

// Files is the address of what is read from files.
const Files = "files"

// Serves says whether the source may know containers of a runtime, "" for one that
// is not known.
func (s *Source) Serves(runtime string) bool {
	switch runtime {
	case "", s.Runtime:
		return true
	case "cri-o":
		return s.Address == Files
	}
	return false
}

// Absent says whether an error means that there simply is no such engine here.
func (s *Source) Absent(err error) bool {
	return !s.Configured && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED))
}

// usualSockets are where distributions put sockets, below the host's root. Stars
// are the numbers of users.
var usualSockets = []struct {
	runtime  string
	patterns []string
}{
	{"docker", []string{"run/docker.sock", "run/user/*/docker.sock"}},
	{"containerd", []string{
		"run/containerd/containerd.sock",
		"run/k3s/containerd/containerd.sock", // RKE2's, too
		"run/k0s/containerd.sock",
		"var/snap/microk8s/common/run/containerd.sock",
	}},
	{"cri-o", []string{"run/crio/crio.sock"}},
	{"podman", []string{"run/podman/podman.sock", "run/user/*/podman/podman.sock"}},
}

// Runtimes are the names of those that can be asked.
func Runtimes() []string {
	var names []string
	for _, u := range usualSockets {
		names = append(names, u.runtime)
	}
	return names
}

// maxSockets bounds how many sockets of one runtime are asked: anybody who may log
// in can make one.
const maxSockets = 32

// Find returns the engines that are here now: the sockets that exist, those that
// the options name whether they exist or not, and the files of podman. An error
// names an address that no source can be made of; the others are there.
func Find(o Options) ([]Source, error) {
	var found []Source
	var errs []error
	for _, u := range usualSockets {
		if o.Wanted != nil && !o.Wanted(u.runtime) {
			continue
		}
		if address := o.address(u.runtime); address != "" {
			socket, err := o.socket(u.runtime, address)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			found = append(found, o.source(u.runtime, socket, true))
			continue
		}
		sockets := o.glob(u.patterns)
		for _, socket := range sockets {
			found = append(found, o.source(u.runtime, socket, false))
		}
		if len(sockets) == 0 && u.runtime != "podman" && slices.Contains(o.Expected, u.runtime) {
			errs = append(errs, fmt.Errorf("%s is not here: there is no socket at /%s; its containers appear under their ids, everything else works", u.runtime, strings.Join(u.patterns, ", /")))
		}
	}
	if o.Wanted == nil || o.Wanted("podman") || o.Wanted("cri-o") {
		found = append(found, Source{Engine: &storage{dir: filepath.Join("/", o.Root, usualStorage)}, Runtime: "podman", Address: Files})
	}
	return found, errors.Join(errs...)
}

// address is what somebody said of where a runtime is.
func (o *Options) address(runtime string) string {
	switch runtime {
	case "docker":
		return o.Docker
	case "containerd":
		return o.Containerd
	case "cri-o":
		return o.CRIO
	}
	return o.Podman
}

// socket is the path of an address.
func (o *Options) socket(runtime, address string) (string, error) {
	path, isURL := strings.CutPrefix(address, "unix://")
	if !isURL && strings.Contains(address, "://") || !filepath.IsAbs(path) {
		return "", fmt.Errorf("%s at %q is not supported: only unix:// sockets of this machine are; its containers appear under their ids, everything else works", runtime, address)
	}
	// Somebody in a container may mean a path of the host.
	if _, err := os.Stat(path); err != nil && o.Root != "" {
		return filepath.Join("/", o.Root, path), nil
	}
	return path, nil
}

// glob returns the sockets that match, each once.
func (o *Options) glob(patterns []string) []string {
	var sockets []string
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join("/", o.Root, pattern))
		if err != nil {
			continue // A pattern of ours is never bad.
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err == nil && info.Mode()&fs.ModeSocket != 0 && !slices.Contains(sockets, path) && len(sockets) < maxSockets {
				sockets = append(sockets, path)
			}
		}
	}
	return sockets
}

// source makes the engine of a runtime.
func (o *Options) source(runtime, socket string, configured bool) Source {
	s := Source{Runtime: runtime, Address: socket, Configured: configured}
	switch {
	case runtime == "containerd" && !o.CRI:
		s.Engine = newContainerd(socket, o.Namespaces)
	case runtime == "containerd" || runtime == "cri-o":
		s.Engine = newCRI(runtime, socket)
	default:
		s.Engine = newDocker(runtime, socket)
	}
	return s
}

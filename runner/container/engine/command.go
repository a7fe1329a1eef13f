package engine

import (
	"path/filepath"
	"slices"
	"strings"
)

// ParseCommand reads the arguments of a runc, or of a program with the same command
// line (crun, youki), that makes a container: who asks for it as soon as its first
// process exists knows it before anything is written to disk. The state says ID,
// Runtime, Namespace and Bundle.
//
//	runc --root /run/containerd/runc/NAMESPACE … create --bundle DIR … ID
func ParseCommand(args []string) (State, bool) {
	if len(args) == 0 {
		return State{}, false
	}
	program := ""
	for _, name := range []string{"runc", "crun", "youki"} {
		if strings.HasPrefix(filepath.Base(args[0]), name) {
			program = name
		}
	}
	verb := slices.IndexFunc(args, func(arg string) bool { return arg == "create" || arg == "run" || arg == "restore" })
	if program == "" || verb < 1 || verb == len(args)-1 {
		return State{}, false
	}
	id := args[len(args)-1]
	if !ValidID(id) {
		return State{}, false
	}
	s := State{ID: id, Runtime: program, Bundle: BundleArgument(args[verb:])}
	s.belong()
	return s, true
}

// BundleArgument finds the directory of a container's bundle in the arguments of a
// runtime, or of a monitor such as conmon; "" when it is not there.
func BundleArgument(args []string) string {
	for i, arg := range args {
		if dir, ok := strings.CutPrefix(arg, "--bundle="); ok {
			return dir
		}
		if (arg == "-b" || arg == "--bundle") && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// ValidID says whether runc makes containers with that id (its validateID).
func ValidID(id string) bool {
	if id == "" || len(id) > maxName || id[0] == '-' || id == "." || id == ".." {
		return false
	}
	return !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("_+-.", r)
	})
}

// belong says whose a container of runc or crun is that an engine had made, by where
// its bundle is.
func (s *State) belong() {
	parent := filepath.Dir(s.Bundle)
	switch {
	case strings.Contains(s.Bundle, "/io.containerd.runtime."):
		// …/io.containerd.runtime.v2.task/NAMESPACE/ID
		s.Runtime, s.Namespace = "containerd", filepath.Base(parent)
	case strings.HasSuffix(filepath.Dir(parent), "-containers"):
		// …/overlay-containers/ID/userdata, in the storage that podman and CRI-O share.
		// CRI-O says so in its annotations.
		s.Runtime = "podman"
	}
	if s.Namespace == "moby" {
		s.Runtime = "docker"
	}
}

package engine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// State is what runc or crun notes of a container that it has made.
type State struct {
	ID string
	// Runtime is whom the container belongs to: docker, containerd, podman, or runc
	// or crun where nobody else had it made.
	Runtime string
	// Namespace is containerd's, "" for others.
	Namespace string
	// Bundle is the directory with the container's config.json.
	Bundle string
	// PID of the container's first process, and when that was started, in ticks
	// since boot as /proc/PID/stat has it.
	PID     uint32
	Started uint64
	// Cgroup is its path, "" when it has none of its own.
	Cgroup string
	// Owner is the user whose container it is.
	Owner uint32
}

// stateRoots are the directories in which runc and crun keep a directory for each
// container, below the host's root. Stars are names; that of containerd is its
// namespace's.
var stateRoots = []struct{ pattern, runtime string }{
	{"run/runc", "runc"},
	{"run/crun", "crun"},
	{"run/containerd/runc/*", "containerd"},
	{"run/docker/runtime-runc/moby", "docker"},
	{"run/docker/runtime-crun/moby", "docker"},
	{"run/user/*/runc", "runc"},
	{"run/user/*/crun", "crun"},
	{"tmp/podman-run-*/runc", "runc"},
	{"tmp/podman-run-*/crun", "crun"},
}

// maxState bounds a state file, in bytes: that of runc has a copy of the
// container's configuration.
const maxState = 1 << 20

// States reads the state files of this machine. It remembers those that have not
// changed.
type States struct {
	root string

	mu    sync.Mutex
	known map[string]stateFile
	// all is the last answer, made at that time.
	all []State
	at  time.Time
}

// fresh is for how long an answer is good: many may ask at once.
const fresh = 10 * time.Millisecond

// stateFile is a file that has been read; the state has no ID when it is none.
type stateFile struct {
	modified time.Time
	size     int64
	state    State
}

// NewStates looks below a root, "" for this process's own.
func NewStates(root string) *States { return &States{root: root, known: map[string]stateFile{}} }

// All are the states that there are now, or have been some milliseconds ago. The
// list is not to be changed. Files that cannot be read are left out.
func (s *States) All() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) < fresh {
		return s.all
	}
	known := make(map[string]stateFile, len(s.known))
	var all []State
	for _, root := range stateRoots {
		// runc and crun call their files differently.
		for _, name := range []string{"state.json", "status"} {
			files, err := filepath.Glob(filepath.Join("/", s.root, root.pattern, "*", name))
			if err != nil {
				continue // A pattern of ours is never bad.
			}
			for _, file := range files {
				f, ok := s.read(file, root.runtime)
				if ok {
					known[file] = f
				}
				if f.state.ID != "" {
					all = append(all, f.state)
				}
			}
		}
	}
	s.known, s.all, s.at = known, all, time.Now()
	return all
}

// read reads a file, unless it is the one that it was.
func (s *States) read(file, runtime string) (stateFile, bool) {
	info, err := os.Stat(file)
	if err != nil {
		return stateFile{}, false
	}
	if f, ok := s.known[file]; ok && f.modified.Equal(info.ModTime()) && f.size == info.Size() {
		return f, true
	}
	f := stateFile{modified: info.ModTime(), size: info.Size()}
	text, err := readBounded(file, maxState)
	if err != nil {
		return f, false
	}
	f.state = decodeState(filepath.Base(file), text)
	if f.state.PID == 0 || !ValidID(filepath.Base(filepath.Dir(file))) {
		f.state = State{}
		return f, true
	}
	dir := filepath.Dir(file)
	f.state.ID = filepath.Base(dir)
	f.state.Runtime = runtime
	if runtime == "containerd" {
		f.state.Namespace = filepath.Base(filepath.Dir(dir))
	}
	f.state.belong()
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		f.state.Owner = stat.Uid
	}
	return f, true
}

// decodeState reads a state.json of runc (libcontainer/container.go, State) or a
// status of crun (src/libcrun/status.c). The process is 0 when it is neither.
func decodeState(name string, text []byte) State {
	if name == "status" {
		var crun struct {
			PID     uint32 `json:"pid"`
			Started uint64 `json:"process-start-time"`
			Cgroup  string `json:"cgroup-path"`
			Bundle  string `json:"bundle"`
		}
		if json.Unmarshal(text, &crun) != nil {
			return State{}
		}
		return State{PID: crun.PID, Started: crun.Started, Cgroup: crun.Cgroup, Bundle: crun.Bundle}
	}
	var runc struct {
		PID     uint32 `json:"init_process_pid"`
		Started uint64 `json:"init_process_start"`
		Config  struct {
			Labels  []string `json:"labels"`
			Cgroups struct {
				Path string `json:"path"`
			} `json:"cgroups"`
		} `json:"config"`
	}
	if json.Unmarshal(text, &runc) != nil {
		return State{}
	}
	s := State{PID: runc.PID, Started: runc.Started, Cgroup: runc.Config.Cgroups.Path}
	for _, label := range runc.Config.Labels {
		if bundle, ok := strings.CutPrefix(label, "bundle="); ok {
			s.Bundle = bundle
		}
	}
	return s
}

package container

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/runner/container/engine"
)

// maxArguments bounds what is read of a command line, in bytes.
const maxArguments = 64 << 10

// path is that of a file of a process.
func (h *hostView) path(pid uint32, name string) string {
	return filepath.Join(h.proc, strconv.Itoa(int(pid)), name)
}

// maker finds out who makes, or looks after, the container of a process: runc and
// crun have its id and its bundle in their arguments, monitors such as conmon the
// bundle. That is known from the first moment of its first process, of which they
// are the parent; crun forks, so that the process has its arguments itself.
func (h *hostView) maker(s *sighting, ended bool) (engine.State, bool) {
	if ended || s.MntNS == h.mntns {
		return engine.State{}, false
	}
	if made, ok := engine.ParseCommand(h.arguments(s.PID)); ok {
		return made, true
	}
	parent := h.parent(s.PID)
	if parent == 0 || h.namespace(strconv.Itoa(int(parent)), "mnt") == s.MntNS {
		return engine.State{}, false // Inside a container anybody may be called runc.
	}
	args := h.arguments(parent)
	if made, ok := engine.ParseCommand(args); ok {
		return made, true
	}
	bundle := engine.BundleArgument(args)
	if filepath.Base(bundle) != "userdata" { // conmon's
		return engine.State{}, false
	}
	id := filepath.Base(filepath.Dir(bundle))
	return engine.State{ID: id, Runtime: "podman", Bundle: bundle}, isID(id)
}

// arguments of a process, nil when they cannot be read.
func (h *hostView) arguments(pid uint32) []string {
	file, err := os.Open(h.path(pid, "cmdline"))
	if err != nil {
		return nil
	}
	defer file.Close()
	text := make([]byte, maxArguments)
	n, err := file.Read(text) // The kernel gives all that there is room for.
	if err != nil {
		return nil
	}
	return strings.Split(string(bytes.TrimSuffix(text[:n], []byte{0})), "\x00")
}

// parent of a process, 0 when that cannot be read.
func (h *hostView) parent(pid uint32) uint32 {
	fields := h.stat(strconv.Itoa(int(pid)))
	if len(fields) <= statParent {
		return 0
	}
	n, err := strconv.ParseUint(fields[statParent], 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// stated looks for a container in the state files of runc and crun: by its first
// process, which is in this mount namespace, or by its cgroup, which has its id in
// its name.
func (h *hostView) stated(s *sighting, cgroups []byte) (identity, bool) {
	if h.states == nil || s.MntNS == h.mntns {
		return identity{}, false
	}
	for _, st := range h.states.All() {
		// A state that is younger than the process is of a successor with the same
		// number.
		older := st.Started*tick <= s.Started
		first := older && h.namespace(strconv.Itoa(int(st.PID)), "mnt") == s.MntNS
		if !first && !inCgroup(cgroups, &st) || !h.genuine(&st) {
			continue
		}
		return identity{
			runtime: st.Runtime, id: st.ID, namespace: st.Namespace, bundle: st.Bundle,
			path: st.Cgroup, source: fromState,
		}, true
	}
	return identity{}, false
}

// beingMade tells a container from what the tracker has seen, when all else is gone
// by the time that somebody looks: runc had forked its first process, in the
// container's own cgroup, which has its id as name.
func (s *sighting) beingMade() (identity, bool) {
	comm, _, _ := bytes.Cut(s.Comm[:], []byte{0})
	leaf, _, _ := bytes.Cut(s.Leaf[:], []byte{0})
	id := string(leaf)
	if !bytes.HasPrefix(comm, []byte("runc:[")) || !engine.ValidID(id) {
		return identity{}, false
	}
	for _, unit := range []string{".slice", ".scope", ".service"} {
		if strings.HasSuffix(id, unit) {
			return identity{}, false
		}
	}
	return identity{runtime: "runc", id: id, source: fromTracker}, true
}

// inCgroup says whether a process with that /proc/PID/cgroup is in the container's
// own cgroup, or below it.
func inCgroup(cgroups []byte, st *engine.State) bool {
	if filepath.Base(st.Cgroup) != st.ID {
		return false // It may be a cgroup that others share.
	}
	for line := range bytes.Lines(cgroups) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) == 3 && strings.HasPrefix(fields[2]+"/", st.Cgroup+"/") {
			return true
		}
	}
	return false
}

// cgroupNamed is the cgroup of that name which a process with that
// /proc/PID/cgroup is in, or below; "" when there is none.
func cgroupNamed(cgroups []byte, name string) string {
	for line := range bytes.Lines(cgroups) {
		fields := strings.SplitN(strings.TrimSuffix(string(line), "\n"), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if before, _, ok := strings.Cut(fields[2]+"/", "/"+name+"/"); ok {
			return before + "/" + name
		}
	}
	return ""
}

// genuine says whether the process of a state is the one that it was made for, and
// belongs to who owns the state: users can write some of these files.
func (h *hostView) genuine(st *engine.State) bool {
	if st.Started != 0 && h.startTicks(strconv.Itoa(int(st.PID))) != st.Started {
		return false
	}
	if st.Owner == 0 {
		return true
	}
	file, err := os.Open(h.path(st.PID, "ns/user"))
	if err != nil {
		return false
	}
	defer file.Close()
	owner, err := unix.IoctlGetUint32(int(file.Fd()), unix.NS_GET_OWNER_UID)
	return err == nil && owner == st.Owner
}

package usage

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
)

// holder is a process that has a program, or an attachment of one, open.
type holder struct {
	pid  int
	comm string
	// gadget is true for a process of this program, which runs that image.
	gadget bool
	image  string
}

// programName is the name that processes of gadget have, whatever their version.
const programName = "gadget"

// findHolders looks through the open files of all processes that may be looked at.
func findHolders(proc string, imageOf func(args []string) string) map[ebpf.ProgramID][]holder {
	found := map[ebpf.ProgramID][]holder{}
	processes, err := os.ReadDir(proc)
	if err != nil {
		return found
	}
	own, _ := os.Stat(filepath.Join(proc, "self/exe"))
	for _, process := range processes {
		pid, err := strconv.Atoi(process.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join(proc, process.Name())
		programs := openPrograms(dir)
		if len(programs) == 0 {
			continue
		}
		h := holder{pid: pid, comm: readLine(filepath.Join(dir, "comm"))}
		exe, _ := os.Stat(filepath.Join(dir, "exe"))
		if h.gadget = h.comm == programName || own != nil && exe != nil && os.SameFile(own, exe); h.gadget && imageOf != nil {
			h.image = imageOf(arguments(dir))
		}
		for _, id := range programs {
			found[id] = append(found[id], h)
		}
	}
	return found
}

// openPrograms are the programs that a process has open, by themselves or by a
// link that attaches them, each once.
func openPrograms(dir string) []ebpf.ProgramID {
	files, err := os.Open(filepath.Join(dir, "fd"))
	if err != nil {
		return nil
	}
	defer files.Close()
	names, _ := files.Readdirnames(-1)
	var ids []ebpf.ProgramID
	for _, name := range names {
		// anon_inode:bpf-prog and anon_inode:bpf_link (kernel/bpf/syscall.c).
		target, err := os.Readlink(filepath.Join(dir, "fd", name))
		if err != nil || !strings.HasPrefix(target, "anon_inode:bpf") {
			continue
		}
		info, err := os.ReadFile(filepath.Join(dir, "fdinfo", name))
		if err != nil {
			continue
		}
		if id := programID(info); id != 0 && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// programID reads the id of the program from /proc/PID/fdinfo/FD, 0 when the file
// is something else (kernel/bpf/syscall.c, bpf_prog_show_fdinfo and
// bpf_link_show_fdinfo).
func programID(info []byte) ebpf.ProgramID {
	for line := range bytes.Lines(info) {
		text, ok := bytes.CutPrefix(line, []byte("prog_id:"))
		if !ok {
			continue
		}
		id, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 32)
		if err != nil {
			return 0
		}
		return ebpf.ProgramID(id)
	}
	return 0
}

// arguments of a process, without the name of its program.
func arguments(dir string) []string {
	text, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	if err != nil || len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")[1:]
}

func readLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

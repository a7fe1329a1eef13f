package usage

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// surveyEvery is how often at least it is found out who holds the programs, and
// what their maps take. It is done at once when there are other programs than in
// the last table.
const surveyEvery = 10 * time.Second

// ProgramOptions say which programs are wanted. The zero value is for all of them.
type ProgramOptions struct {
	// GadgetsOnly leaves out programs that no process of gadget holds.
	GadgetsOnly bool
	// ImageOf tells from the arguments of a process of gadget, the program's name
	// not among them, which image it runs; nil knows none.
	ImageOf func(args []string) string
	// Proc is where procfs is mounted; "" is /proc.
	Proc string
}

// Programs makes tables of the eBPF programs of this machine. Their rows are of
// [plan.ProgramRow], in the order in which the programs were loaded. The kernel
// measures programs for as long as a Programs exists, which costs each run of a
// program some 40 ns.
type Programs struct {
	opts  ProgramOptions
	cpus  float64
	stats io.Closer

	known map[ebpf.ProgramID]*program
	// lastLook is when the last table was made, lastSurvey the last survey.
	lastLook, lastSurvey int64
	row                  plan.ProgramRow
}

// program is what is known of a program.
type program struct {
	name, kind string
	maps       []ebpf.MapID
	mapMemory  uint64
	holders    []holder
	// runtime, in nanoseconds, and runs are those since the kernel measures, and
	// those of the last table.
	runtime, lastRuntime uint64
	runs, lastRuns       uint64
	// listed is true when the program is in the present table.
	listed bool
}

// NewPrograms begins to measure. It needs CAP_SYS_ADMIN. The error wraps
// [ebpf.ErrNotSupported] before Linux 5.8.
func NewPrograms(o ProgramOptions) (*Programs, error) {
	if o.Proc == "" {
		o.Proc = "/proc"
	}
	cpus, err := onlineCPUs()
	if err != nil {
		return nil, err
	}
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, fmt.Errorf("measure eBPF programs: %w", err)
	}
	p := &Programs{opts: o, cpus: float64(cpus), stats: stats, known: map[ebpf.ProgramID]*program{}}
	if _, err := p.Fetch(nil); err != nil {
		return nil, errors.Join(err, stats.Close())
	}
	return p, nil
}

// Close ends the measuring, unless somebody else measures, too.
func (p *Programs) Close() error { return p.stats.Close() }

// Fetch appends a row for each program.
func (p *Programs) Fetch(dst []byte) ([]byte, error) {
	look := monotonic()
	elapsed := float64(look - p.lastLook)
	others, err := p.list()
	if err != nil {
		return dst, err
	}
	if others || look-p.lastSurvey >= int64(surveyEvery) {
		p.survey()
		p.lastSurvey = look
	}
	first := p.lastLook == 0
	p.lastLook = look
	for _, id := range slices.Sorted(maps.Keys(p.known)) {
		k := p.known[id]
		if first {
			k.lastRuntime, k.lastRuns = k.runtime, k.runs
			continue
		}
		if p.fill(id, k, elapsed) {
			dst = appendRow(dst, &p.row)
		}
		k.lastRuntime, k.lastRuns = k.runtime, k.runs
	}
	return dst, nil
}

// list reads the counters of all programs and reports whether they are others than
// in the last table.
func (p *Programs) list() (others bool, err error) {
	for _, k := range p.known {
		k.listed = false
	}
	for id := ebpf.ProgramID(0); ; {
		if id, err = ebpf.ProgramGetNextID(id); errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return false, fmt.Errorf("list eBPF programs: %w", err)
		}
		others = p.look(id) || others
	}
	before := len(p.known)
	maps.DeleteFunc(p.known, func(_ ebpf.ProgramID, k *program) bool { return !k.listed })
	return others || len(p.known) < before, nil
}

// look reads the counters of a program and reports whether it is new. One that has
// just been unloaded is passed over.
func (p *Programs) look(id ebpf.ProgramID) (isNew bool) {
	// Held for no longer than this, it is not kept from being unloaded.
	prog, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return false
	}
	defer prog.Close()
	stats, err := prog.Stats()
	if err != nil {
		return false
	}
	k := p.known[id]
	if isNew = k == nil; isNew {
		info, err := prog.Info()
		if err != nil {
			return false
		}
		k = &program{name: info.Name, kind: info.Type.String()}
		k.maps, _ = info.MapIDs()
		p.known[id] = k
	}
	k.listed = true
	k.runtime, k.runs = uint64(stats.Runtime), stats.RunCount
	return isNew
}

// survey finds out who holds the programs and what their maps take.
func (p *Programs) survey() {
	holders := findHolders(p.opts.Proc, p.opts.ImageOf)
	memory := map[ebpf.MapID]uint64{}
	for id, k := range p.known {
		k.holders, k.mapMemory = holders[id], 0
		for _, m := range k.maps {
			if _, seen := memory[m]; !seen {
				memory[m] = mapMemory(m)
			}
			k.mapMemory += memory[m]
		}
	}
}

// mapMemory is what a map takes in bytes, 0 when it is gone.
func mapMemory(id ebpf.MapID) uint64 {
	m, err := ebpf.NewMapFromID(id)
	if err != nil {
		return 0
	}
	defer m.Close()
	info, err := m.Info()
	if err != nil {
		return 0
	}
	n, _ := info.Memlock()
	return n
}

// fill makes the row of a program and reports whether it is wanted.
func (p *Programs) fill(id ebpf.ProgramID, k *program, elapsed float64) bool {
	r := &p.row
	*r = plan.ProgramRow{
		ID: uint32(id), MapCount: uint32(len(k.maps)), MapMemory: k.mapMemory,
		Spent: k.runtime, Runtime: k.runtime - k.lastRuntime, RunCount: k.runs - k.lastRuns,
	}
	r.CPUUsage = percent(float64(r.Runtime), elapsed)
	r.CPUUsageRelative = r.CPUUsage / p.cpus
	setText(r.Name[:], k.name)
	setText(r.Type[:], k.kind)
	var comms, pids []string
	gadget := false
	for _, h := range k.holders {
		comms, pids = append(comms, h.comm), append(pids, strconv.Itoa(h.pid))
		if h.gadget && !gadget {
			gadget = true
			setText(r.GadgetImage[:], h.image)
			setText(r.GadgetName[:], gadgetName(h.image))
		}
	}
	setList(r.Comms[:], comms)
	setList(r.PIDs[:], pids)
	return gadget || !p.opts.GadgetsOnly
}

// setList fills a field with as many whole items as it has room for.
func setList(field []byte, items []string) {
	text := strings.Join(items, ",")
	for len(text) >= len(field) {
		text = text[:max(0, strings.LastIndexByte(text, ','))]
	}
	setText(field, text)
}

// gadgetName is the last part of an image's name, without tag and digest.
func gadgetName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if image == "" {
		return ""
	}
	name, _, _ := strings.Cut(path.Base(image), ":")
	return name
}

package plan

import (
	"maps"
	"reflect"
	"strconv"
	"time"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/schemas"
)

// GadgetsOnly is the parameter of a gadget with a ProgramStats data source that
// leaves out the programs of others.
const GadgetsOnly = "gadgets-only"

// firstTable is when the first table comes, which tells of a difference, unless
// gadget.yaml says otherwise or the interval is shorter.
const firstTable = time.Second

// madeTables are the tables that gadget makes itself, by the operator that
// gadget.yaml asks for them (compat-spec §5.3, §5.7).
var madeTables = []struct {
	operator, source string
	kind             SourceKind
	row              reflect.Type
	fields           []madeField
	// key is the setting with the time between tables, interval its default.
	key      string
	interval time.Duration
}{
	{"process", "processes", Processes, reflect.TypeFor[ProcessRow](), processFields, "interval", time.Minute},
	{"cgroup", "cgroups", Cgroups, reflect.TypeFor[CgroupRow](), cgroupFields, "interval", 5 * time.Second},
	{"ebpf", "bpfstats", ProgramStats, reflect.TypeFor[ProgramRow](), programFields, "statistics-interval", time.Second},
}

// addMade plans the data sources that gadget makes itself, without a program.
func (p *Plan) addMade() {
	for _, t := range madeTables {
		s := settings{p, t.operator}
		if !s.boolean("emitstats") || p.taken(t.source) {
			continue
		}
		layout := p.madeLayout(t.source, t.row, s.chosen(t.fields))
		layout.Array = true
		src := &Source{Name: t.source, Kind: t.kind, Layout: layout, Count: s.count("count")}
		src.Interval = s.duration(t.key, t.interval)
		src.First = s.duration("first-interval", min(firstTable, src.Interval))
		p.Sources = append(p.Sources, src)
		if t.kind == ProgramStats {
			p.Params = append(p.Params, Param{
				Scope: "operator." + t.operator, Key: GadgetsOnly, Type: "bool", Default: strconv.FormatBool(s.boolean(GadgetsOnly)),
				Description: "Show only programs of gadgets that are running",
			})
		}
	}
	if p.Metadata.Annotations[schemas.AnnotationContainers] == "true" && !p.taken("containers") {
		layout := p.madeLayout("containers", reflect.TypeFor[ContainerRow](), containerFields)
		// It is for those who make something of it, not for people.
		layout.Annotations = map[string]string{"cli.default-output-mode": "none"}
		maps.Copy(layout.Annotations, p.Metadata.DataSources["containers"].Annotations)
		p.Sources = append(p.Sources, &Source{Name: "containers", Kind: Containers, Layout: layout})
	}
}

// taken reports whether a program has a data source of that name, and notes it.
func (p *Plan) taken(source string) bool {
	if p.Source(source) == nil {
		return false
	}
	p.Problems = append(p.Problems, schemas.Problem{Severity: schemas.Error,
		Message: "gadget.yaml asks gadget to make a data source " + source + ", which the program has, too; it gets the program's"})
	return true
}

// madeLayout compiles the layout of a data source from the struct of its rows.
func (p *Plan) madeLayout(source string, row reflect.Type, fields []madeField) *event.Layout {
	b := p.newLayout(source)
	b.layout.Size = int(row.Size())
	for _, m := range fields {
		f, annotations := m.field(row)
		f.Order = len(b.layout.Fields)
		i := b.put(f, annotations)
		switch f.Name {
		case "mountnsid":
			b.mntNS = i
		case "pid":
			b.pid = i
		}
	}
	if b.mntNS >= 0 {
		b.enrich()
	}
	b.place()
	return b.finish()
}

// madeField is a field of a data source that gadget makes itself.
type madeField struct {
	name string
	// of is the member of the row's struct; "" is what follows the struct.
	of string
	// as is how a number reads; the zero value is the number itself.
	as event.Kind
	// width of its column in cells, 0 when it is not shown without being asked for.
	width int
	about string
}

// field says where the value lies in a row, and how it looks by default.
func (m *madeField) field(row reflect.Type) (event.Field, map[string]string) {
	f := event.Field{Name: m.name, Kind: m.as, Offset: int(row.Size())}
	look := map[string]string{"description": m.about, "columns.width": strconv.Itoa(m.width)}
	if m.width == 0 {
		look = map[string]string{"description": m.about, "columns.hidden": "true"}
	}
	if m.of == "" {
		return f, look
	}
	member, _ := row.FieldByName(m.of)
	f.Offset, f.Size = int(member.Offset), int(member.Type.Size())
	if member.Type.Kind() == reflect.Array {
		f.Kind = event.CString
		return f, look
	}
	look["columns.alignment"] = "right"
	// A number that is cut says something else.
	if m.width > 0 && m.as != event.Timestamp {
		look["columns.minwidth"] = look["columns.width"]
	}
	if f.Kind == event.Invalid {
		f.Kind = goKinds[member.Type.Kind()]
	}
	if f.Kind == event.Timestamp {
		f.Format = time.RFC3339
	}
	return f, look
}

// goKinds are the kinds of the numbers that rows are made of.
var goKinds = map[reflect.Kind]event.Kind{
	reflect.Int32: event.Int32, reflect.Uint32: event.Uint32,
	reflect.Uint64: event.Uint64, reflect.Float64: event.Float64,
}

var processFields = []madeField{
	{"pid", "PID", 0, 7, "Process id"},
	{"ppid", "PPID", 0, 0, "Process id of the parent"},
	{"comm", "Comm", 0, 16, "Name of the process"},
	{"priority", "Priority", 0, 4, "Priority as the kernel sees it: 20 is usual, negative are real-time priorities"},
	{"nice", "Nice", 0, 4, "Nice value, from -20 (first) to 19 (last)"},
	{"cpuUsage", "CPUUsage", 0, 7, "Processor time since the last table, in percent of one processor"},
	{"cpuUsageRelative", "CPUUsageRelative", 0, 7, "The same in percent of all processors"},
	{"memoryRSS_raw", "RSS", 0, 0, "Memory in use, in bytes"},
	{"memoryRSS", "RSS", event.HumanSize, 8, "Memory in use"},
	{"memoryVirtual_raw", "Virtual", 0, 0, "Address space in use, in bytes"},
	{"memoryVirtual", "Virtual", event.HumanSize, 8, "Address space in use"},
	{"memoryShared_raw", "Shared", 0, 0, "Part of the memory in use that files or others share, in bytes"},
	{"memoryShared", "Shared", event.HumanSize, 8, "Part of the memory in use that files or others share"},
	{"memoryRelative", "MemoryRelative", 0, 6, "Memory in use, in percent of all"},
	{"threadCount", "Threads", 0, 7, "Number of threads"},
	{"state", "State", 0, 5, "R running, S sleeping, D waiting for a disk, I idle, T stopped, Z ended"},
	{"uid", "UID", 0, 6, "User id"},
	{"startTime", "StartTime", 0, 0, "Start after that of the machine, in hundredths of a second"},
	{"startTimeStr", "Started", event.Timestamp, 20, "Time of the start"},
	{"cpuTime", "CPUTime", 0, 0, "Processor time since its start, in hundredths of a second"},
	{"cpuTimeStr", "Spent", event.CPUTime, 9, "Processor time since its start, as minutes and seconds"},
	{"mountnsid", "MntNS", 0, 0, "Inode of the mount namespace"},
}

var cgroupFields = []madeField{
	{"cgroupPath", "Path", 0, 40, "Path of the cgroup below the root of its hierarchy"},
	{"nrPeriods", "Periods", 0, 9, "Periods that have ended since the last table"},
	{"nrThrottled", "Throttled", 0, 9, "Periods in which the quota was used up"},
	{"throttledTime_raw", "ThrottledTime", 0, 0, "For how long its threads had to wait, summed over processors, in nanoseconds"},
	{"throttledTime", "ThrottledTime", event.Duration, 9, "For how long its threads had to wait, summed over processors"},
	{"throttleRatio", "ThrottleRatio", 0, 7, "Periods in which the quota was used up, in percent"},
	{"cpuQuota_raw", "Quota", 0, 0, "Processor time allowed in a period, in nanoseconds"},
	{"cpuQuota", "Quota", event.Duration, 9, "Processor time allowed in a period"},
	{"cpuPeriod_raw", "Period", 0, 0, "Length of a period, in nanoseconds"},
	{"cpuPeriod", "Period", event.Duration, 9, "Length of a period"},
	{"cpuLimitCores", "LimitCores", 0, 6, "Quota divided by period: how many processors it may use"},
	{"psiSomeAvg10", "PSI10", 0, 7, "Time in percent, over ten seconds, in which a thread waited for a processor"},
	{"psiSomeAvg60", "PSI60", 0, 7, "The same over a minute"},
	{"mountnsid", "MntNS", 0, 0, "Inode of the mount namespace of its processes"},
}

var programFields = []madeField{
	{"gadgetID", "GadgetID", 0, 8, "Id of the gadget that holds the program, if it has one"},
	{"gadgetName", "GadgetName", 0, 16, "Name of the gadget that holds the program"},
	{"gadgetImage", "GadgetImage", 0, 24, "Image of the gadget that holds the program"},
	{"progID", "ID", 0, 6, "Id of the program"},
	{"progName", "Name", 0, 16, "Name of the program"},
	{"progType", "Type", 0, 14, "Type of the program"},
	{"cpuUsage", "CPUUsage", 0, 8, "Processor time since the last table, in percent of one processor"},
	{"cpuUsageRelative", "CPUUsageRelative", 0, 8, "The same in percent of all processors"},
	{"cpuTimeStr", "Spent", event.CPUTime, 9, "Processor time since the kernel measures it, as minutes and seconds"},
	{"runtime_raw", "Runtime", 0, 0, "Processor time since the last table, in nanoseconds"},
	{"runtime", "Runtime", event.Duration, 9, "Processor time since the last table"},
	{"runcount", "RunCount", 0, 9, "How often it ran since the last table"},
	{"mapMemory_raw", "MapMemory", 0, 0, "Memory of its maps, in bytes"},
	{"mapMemory", "MapMemory", event.HumanSize, 9, "Memory of its maps"},
	{"mapCount", "MapCount", 0, 8, "Number of its maps"},
	{"comms", "Comms", 0, 16, "Names of the processes that hold it"},
	{"pids", "PIDs", 0, 12, "Process ids of those that hold it"},
}

var containerFields = []madeField{
	{"event_type", "Event", 0, 10, "CREATED, DELETED, or PRECREATE when its name is not known yet"},
	{"container_id", "ID", 0, 16, "Full id of the container"},
	{"cgroup_id", "CgroupID", 0, 12, "Inode of its cgroup in the unified hierarchy"},
	{"mntns_id", "MntNS", 0, 12, "Inode of its mount namespace"},
	{"name", "Name", 0, 24, "Name of the container"},
	{"container_config", "", event.RestString, 24, "What its runtime was told to do, the config.json of OCI, if that can be read"},
}

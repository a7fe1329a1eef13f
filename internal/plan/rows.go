package plan

// The rows of the data sources that gadget makes itself (compat-spec §5.7, §5.8).
// A record is such a struct as it lies in memory; texts end at the first NUL.

// ProcessRow is a process.
type ProcessRow struct {
	PID, PPID int32
	// Comm has at most 63 bytes: kernel threads show more than the usual 15
	// (fs/proc/array.c, proc_task_name).
	Comm           [64]byte
	Priority, Nice int32
	// CPUUsage is the share of one processor in percent since the last table,
	// CPUUsageRelative that of all processors.
	CPUUsage, CPUUsageRelative float64
	// RSS, Virtual and Shared are memory in bytes, MemoryRelative is RSS in
	// percent of all memory.
	RSS, Virtual, Shared uint64
	MemoryRelative       float64
	Threads              int32
	// State is a letter of ps, such as R or S.
	State [4]byte
	UID   uint32
	_     uint32
	// StartTime and CPUTime are in hundredths of a second, as in /proc/PID/stat.
	StartTime, CPUTime uint64
	// Started is CLOCK_BOOTTIME, Spent processor time, both in nanoseconds.
	Started, Spent uint64
	// MntNS is the number of the mount namespace, 0 when it may not be read.
	MntNS uint64
}

// CgroupRow is a cgroup with a limit of processor time. Its counters are those
// since the last table.
type CgroupRow struct {
	// Path below the root of its hierarchy; of one that is longer the end is
	// missing.
	Path [1024]byte
	// Periods that have ended, and in how many of them the limit was reached.
	Periods, Throttled uint64
	// ThrottledTime is for how long its threads had to wait, in nanoseconds and
	// summed over all processors.
	ThrottledTime uint64
	// ThrottleRatio is Throttled in percent of Periods.
	ThrottleRatio float64
	// Quota is the processor time for each Period, in nanoseconds; LimitCores is
	// their quotient.
	Quota, Period uint64
	LimitCores    float64
	// PSI10 and PSI60 are the share of time in percent, over the last 10 and 60
	// seconds, in which some thread waited for a processor; 0 where the kernel does
	// not tell (cgroup v1).
	PSI10, PSI60 float64
	// MntNS is that of its processes, 0 when it has none or they differ.
	MntNS uint64
}

// ProgramRow is an eBPF program and what it costs.
type ProgramRow struct {
	// GadgetID, GadgetName and GadgetImage tell of the gadget that holds the
	// program, empty when it is none.
	GadgetID    [64]byte
	GadgetName  [64]byte
	GadgetImage [256]byte
	ID          uint32
	MapCount    uint32
	Name        [64]byte
	Type        [32]byte
	// CPUUsage and CPUUsageRelative are those of ProcessRow.
	CPUUsage, CPUUsageRelative float64
	// Spent is all processor time that was measured, in nanoseconds; Runtime and
	// RunCount are those since the last table.
	Spent, Runtime, RunCount uint64
	// MapMemory is what its maps take, in bytes. Maps that programs share count
	// for each.
	MapMemory uint64
	// Comms and PIDs are the processes that hold the program or its attachment,
	// separated by commas; of a long list the end is missing.
	Comms [128]byte
	PIDs  [128]byte
}

// ContainerRow is the begin of an event of a container; container_config follows.
type ContainerRow struct {
	// Event is CREATED, DELETED or PRECREATE.
	Event    [16]byte
	ID       [256]byte
	CgroupID uint64
	MntNS    uint64
	Name     [256]byte
}

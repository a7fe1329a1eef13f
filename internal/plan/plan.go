// Package plan reads a gadget (ELF object and metadata) and says everything a
// run needs: data sources with their layouts, parameters, programs with their
// hooks, maps with their sizes. It is pure: no root, no kernel, the same answer
// on every machine. The builder checks with it, inspect prints it, the runner
// obeys it.
package plan

import (
	"time"

	"github.com/cilium/ebpf"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/metric"
	"github.com/gadget-bpf/gadget/schemas"
)

// Plan is what a gadget is going to do.
type Plan struct {
	// Metadata is never nil; it is empty for a gadget without gadget.yaml.
	Metadata *schemas.Metadata
	// Sources in the order of the object's BTF.
	Sources  []*Source
	Params   []Param
	Programs []Program
	// Groups of programs of which one is used, sorted by name.
	Groups []Group
	Maps   []Map
	// License of the object, for example "GPL".
	License string
	// Spec is the parsed object, nil for a gadget without programs. Whoever
	// loads it works on Spec.Copy().
	Spec *ebpf.CollectionSpec
	// FiltersContainers is true when the gadget has the mount namespace filter.
	FiltersContainers bool
	// FiltersProcesses is true when it has the filter of processes, too.
	FiltersProcesses bool
	// Problems found on the way that do not stop a run, such as metadata for
	// fields that do not exist.
	Problems []schemas.Problem
}

// SourceKind says how the events of a data source reach user space.
type SourceKind uint8

// Kinds of data sources.
const (
	// Tracer events come through a ring buffer or a perf event array.
	Tracer SourceKind = iota
	// Iterator rows are what SEC("iter/...") programs write when they are read.
	Iterator
	// MapIterator rows are the entries of a hash map, which is emptied by reading.
	MapIterator
	// Rendered events are drawings of the metrics of another source, whose records
	// make them: nothing is read for a Rendered source.
	Rendered

	// Processes, Cgroups and ProgramStats rows are made by gadget itself, as are
	// Containers events; no program is needed. Their records are ProcessRow,
	// CgroupRow, ProgramRow and ContainerRow.
	Processes
	Cgroups
	ProgramStats
	Containers
)

// Made reports whether gadget itself makes the records.
func (k SourceKind) Made() bool { return k >= Processes }

// Source is one data source.
type Source struct {
	Name   string
	Kind   SourceKind
	Layout *event.Layout
	// Map is the ring buffer or perf event array of a Tracer, or the hash map of
	// a MapIterator, whose rows are a key followed by its value.
	Map string
	// Programs of an Iterator, in the order in which their rows come.
	Programs []string
	// Interval between two batches of an array data source, and how many there
	// are; a count of 0 goes on until the run ends, without an interval it means
	// none. FinalFetch adds one when the run ends. First is the time before the first
	// batch of one that gadget makes. These are what the gadget says; whoever runs the
	// plan may set others.
	Interval   time.Duration
	First      time.Duration
	Count      uint64
	FinalFetch bool
	// Lost is the per-CPU array in which the gadget counts lost events, or rows that
	// its map had no room for; "" when it does not.
	Lost string
	// Struct is the C name of the event struct, the value's for a MapIterator.
	Struct string
	// Metrics to which the records are summed up in place of being shown, and the
	// Rendered source that shows them; nil for most sources.
	Metrics   *metric.Set
	Rendering *Source
}

// Param is a parameter that a user may set.
type Param struct {
	// Key is the flag's name, AlternativeKey another one, Alias a flag of one
	// letter; both "" for none.
	Key, AlternativeKey, Alias string
	// Scope comes before the key in the full name: operator.oci.ebpf, custom.
	Scope string
	// Variable is the C variable it sets, "" when it is for gadget itself.
	Variable string
	// Type is one of bool, string, bytes, int, int8 … int64, uint, uint8 …
	// uint64, float32, float64, duration, ip, []string.
	Type string
	// Size of the variable in bytes.
	Size int
	// Default as text; "" for strings.
	Default     string
	Description string
	// ValueHint says what kind of thing a value is, in words of the gadget's author.
	ValueHint string
	// Possible are the only values it takes, nil for any of its type.
	Possible []string
	// Mandatory parameters have no default that makes sense.
	Mandatory bool
}

// Program is one program and where it attaches.
type Program struct {
	// Name of the C function, Section of the ELF.
	Name, Section string
	// Kind is the first part of the section: kprobe, fentry, iter. Short forms are
	// written out (tracepoint for tp, raw_tp for raw_tracepoint), and sleepable
	// programs are of the kind of others: fentry for fentry.s.
	Kind string
	Type ebpf.ProgramType
	// Powers are what the program could do to the system beside watching it.
	Powers []Power
	// Calls are the functions of the kernel that it calls, sorted by name.
	Calls []Call
	// Hook is what it attaches to, such as syscalls/sys_enter_openat; "" when
	// the type has no named target.
	Hook string
	// Disabled programs are left out.
	Disabled bool
	// Fault is what keeps the program from being attached on any kernel, "" for nothing.
	Fault string
	// Optional programs may be missing, and those whose When is false are; nil is true.
	Optional bool
	When     *Condition
	// Perf is what a perf_event program samples, nil for all others.
	Perf *Perf
	// Target is the map that an iter/bpf_map_elem program walks.
	Target string
	// Instructions before the kernel rewrites them.
	Instructions int
}

// Group is a list of programs of which the first that loads and attaches is used.
type Group struct {
	// Name in gadget.yaml, in lower case.
	Name     string
	Programs []string
	// Optional groups may come to nothing, and those whose When is false do; nil is true.
	Optional bool
	When     *Condition
}

// Map is one map and what it costs.
type Map struct {
	Name                           string
	Type                           ebpf.MapType
	KeySize, ValueSize, MaxEntries uint32
	// Bytes is max_entries × value size, for one CPU if PerCPU.
	Bytes  uint64
	PerCPU bool
	// Pinned maps outlive the run under their name.
	Pinned bool
	// SizedBy is the variable that sets max_entries when the gadget starts, "" for none.
	SizedBy string
}

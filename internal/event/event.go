// Package event is the model of an event on its way from the kernel to a
// writer, and the code that turns one into text.
//
//	Layout   what the events of one data source look like: a flat list of Fields,
//	         compiled once from BTF and gadget.yaml
//	Record   one event: a view on the raw bytes plus the container they belong to
//	Env      what formatting needs of the machine: clock, users, groups
//	Encoder  appends a Record to a caller's slice as JSON, columns or YAML
//
// Nothing is decoded ahead of time. A Field says where its value lies and how it
// reads; encoders and filters switch on [Field.Kind] and append to a slice that
// the caller owns, so that an event costs no allocation.
package event

import (
	"net/netip"
	"slices"
	"time"
)

// Kind says how the value of a Field is found and how it reads.
type Kind uint8

// Scalar and byte kinds are read from Record.Raw at Field.Offset in native byte
// order. The formatted kinds read a scalar there and turn it into text.
const (
	Invalid Kind = iota

	// Scalars.
	Bool
	Int8
	Int16
	Int32
	Int64
	Uint8
	Uint16
	Uint32
	Uint64
	Float32
	Float64

	// CString is text in Field.Size bytes, ending at the first NUL.
	CString
	// Bytes are Field.Size bytes, hexadecimal in text.
	Bytes

	// RestBytes, RestString and RestArgs read what follows the struct in a
	// variable sized record: from Field.Offset on, as many bytes as the u32 at
	// Field.LenOffset says (all of them when HasLen is false), never more than
	// there are. RestArgs is a NUL separated argument vector, as in
	// /proc/PID/cmdline, shown with spaces between the arguments.
	RestBytes
	RestString
	RestArgs

	// WallTime is a CLOCK_BOOTTIME u64 as nanoseconds since the Unix epoch, a
	// number; Timestamp is the same as RFC 3339 text with nine digits.
	WallTime
	Timestamp

	// Names of numbers (compat-spec §5.6).
	Errno     // u32: ENOENT; 0 is ""
	Signal    // u32: SIGKILL
	Syscall   // u64: SYS_OPENAT, by the machine's own table
	FileMode  // u32: -rw-r--r--
	FileFlags // u32: O_RDONLY|O_CLOEXEC
	HumanSize // u64: 82 kB
	Duration  // u64 ns: 1.20ms
	CPUTime   // u64 ns: 1:02.340, minutes and seconds
	User      // u32: root
	Group     // u32: root
	EnumName  // any integer: the enumerator of Field.Enum
	EnumSet   // any integer: all enumerators of Field.Enum whose bits are set

	// Endpoints. Offset is that of the struct gadget_l3endpoint_t or
	// gadget_l4endpoint_t (compat-spec §4.5).
	L3Addr     // 192.0.2.1
	L4Addr     // 192.0.2.1
	L4Proto    // TCP
	L4Endpoint // 192.0.2.1:80

	// FromContainer is the Field.Attr of Record.Container.
	FromContainer
	// Unit and Cgroup are those of the process whose id is a u32 there: the systemd
	// unit, and the path of the cgroup.
	Unit
	Cgroup
	// EnvVar is the value in Env.Vars of the variable that Field.Format names.
	EnvVar
	// Constant is the text Field.Format.
	Constant
	// Added is Record.Added[Field.Slot], text made by a later stage.
	Added

	// PeerName is who has the address that Field.Peer finds, where that is known,
	// and the address where it is not: c/web:80, p/shop/cart:80, h/node1:22.
	// FromPeer is the Field.Attr of the container that has it.
	PeerName
	FromPeer
)

// Layout describes the events of one data source. It is made once and then only
// read, by any number of goroutines.
type Layout struct {
	// Name of the data source.
	Name string
	// Array is true when records come in batches that belong together (a
	// snapshot, one interval of a top), false for a stream.
	Array bool
	// Size of the fixed part of Record.Raw in bytes. Shorter records are padded
	// with zeros before anybody reads them.
	Size int
	// Fields in the order of the struct, those added after it last. Names are
	// unique. Struct members that are structs themselves have no Field of their
	// own, their members do, under a dotted name.
	Fields []Field
	// Groups describes, by dotted name, members that are structs: for people only.
	Groups map[string]string
	// MntNS and NetNS are the first fields with the mount and the network
	// namespace, nil when there is none: the keys of container look-ups.
	MntNS, NetNS *Field
	// PID is the process that caused the event, in the host's numbers, nil when
	// there is none.
	PID *Field
	// Time is the first field with a CLOCK_BOOTTIME timestamp, nil when none.
	Time *Field
	// Annotations of the data source, from gadget.yaml, keys in lower case.
	Annotations map[string]string
}

// Field is one value of an event.
type Field struct {
	// Name is the full dotted name, such as proc.parent.comm.
	Name string
	Kind Kind
	// Offset into Record.Raw and Size, both in bytes. For an array Size is the
	// size of all elements.
	Offset, Size int
	// Count is the number of elements when the field is an array of scalars, else 0.
	Count int
	// Signed is true when an enum's integer is signed.
	Signed bool
	// LenOffset is where a Rest field's length lies, if HasLen.
	LenOffset int
	HasLen    bool
	// Enum names the values of EnumName and EnumSet fields.
	Enum *Enum
	// Attr is what a FromContainer or FromPeer field shows.
	Attr ContainerAttr
	// Peer is what a PeerName or FromPeer field looks up.
	Peer *Peer
	// Slot of an Added field.
	Slot int
	// Format is the time layout of a Timestamp, "" for the default, the
	// separator of an EnumSet, "" for "|", the variable of an EnvVar, and the text
	// of a Constant.
	Format string

	// Hidden fields are not columns unless asked for.
	Hidden bool
	// SkipJSON fields are left out of JSON and YAML.
	SkipJSON bool
	// Order among the columns, smaller is further left, equal keeps the order of
	// Layout.Fields.
	Order int
	// Column says how the field looks in a table.
	Column Column

	// Description, Tags, Annotations and Type are for people: inspect, --help, schemas.
	Description string
	Tags        []string
	Annotations map[string]string
	// Type is the C type, for example gadget_pid or __u32.
	Type string
}

// Peer is an address of an event, and whence it is seen.
type Peer struct {
	// Address is a field of the kinds L3Addr, L4Addr or L4Endpoint.
	Address *Field
	// NetNS is the field with the network namespace that the address is of; nil is
	// that of the record's container.
	NetNS *Field
}

// Column says how a field looks in a table. Widths are in terminal cells, 0
// means not set.
type Column struct {
	// Title of the column; "" stands for the field's name. Printed in upper case.
	Title                     string
	Width, MinWidth, MaxWidth int
	Right                     bool
	Ellipsis                  Ellipsis
	// Fixed columns neither grow nor shrink with the terminal.
	Fixed bool
	// Hex prints integers in hexadecimal.
	Hex bool
	// Precision of floats in decimals, -1 when not set.
	Precision int
	// Replace is the field whose value the column shows instead of its own, nil
	// for its own. Titles, widths and JSON do not change.
	Replace *Field
}

// Ellipsis says where a text that is too long is cut.
type Ellipsis uint8

// Where the cut is marked with an ellipsis.
const (
	EllipsisEnd Ellipsis = iota
	EllipsisStart
	EllipsisMiddle
	EllipsisNone
)

// Enum maps numbers to names. Values keep the order of the declaration.
type Enum struct {
	Name   string
	Values []EnumValue
}

// EnumValue is one enumerator; Value holds negative numbers in two's complement.
type EnumValue struct {
	Name  string
	Value uint64
}

// Record is one event. Raw is valid only until the next event is read; whoever
// keeps a Record longer copies it.
type Record struct {
	// Raw is the event as the program wrote it, at least Layout.Size bytes.
	Raw []byte
	// Container that caused the event, nil when none is known or it is the host.
	Container *Container
	// Added holds text that stages after decoding have made, by Field.Slot.
	Added [][]byte
}

// ContainerAttr is an attribute of a container that an event can show.
type ContainerAttr uint8

// The attributes, with the names of compat-spec §5.5.
const (
	K8sNode ContainerAttr = iota
	K8sNamespace
	K8sPodName
	K8sContainerName
	K8sHostNetwork
	K8sPodLabels
	K8sOwnerKind
	K8sOwnerName
	RuntimeContainerName
	RuntimeName
	RuntimeContainerID
	RuntimeContainerPID
	RuntimeImageName
	RuntimeImageDigest
	RuntimeStartedAt
	RuntimeLabels
	RuntimeStatus
	// K8sKind is "pod" for a container of one.
	K8sKind
)

// Container is what is known of a container. A Container is never changed after
// it has been published; news makes a new one.
type Container struct {
	// Runtime is docker, containerd, cri-o or podman.
	Runtime string
	// ID is the full id, Name the name that people use.
	ID, Name           string
	Image, ImageDigest string
	// PID of the first process, in the host's pid namespace; 0 when unknown.
	PID uint32
	// StartedAt is in nanoseconds since the Unix epoch, 0 when unknown.
	StartedAt int64
	// MntNS and NetNS are inode numbers, CgroupID the inode in the cgroup2 mount.
	MntNS    uint64
	NetNS    uint32
	CgroupID uint64
	// CgroupPath as /proc/PID/cgroup shows it.
	CgroupPath string
	// Labels are the container's and its pod's, LabelText the container's own as
	// "k=v,k=v".
	Labels    map[string]string
	LabelText string
	// Status is "known", or "unknown:" and why no runtime has told more than the
	// id; Source is where the names are from: a socket, a file, the cgroup's path.
	Status, Source string

	// Kubernetes names, from the runtime's labels. PodLabels is "k=v,k=v".
	Node, Namespace, Pod, PodUID, PodContainer string
	PodLabels, OwnerKind, OwnerName            string
	HostNetwork                                bool
}

// Env is what formatting needs to know of the machine and the user. The zero
// value works: no clock offset, numbers for unknown users, UTC.
type Env struct {
	// BootToWall is added to a CLOCK_BOOTTIME value to get Unix nanoseconds.
	BootToWall int64
	// UserName and GroupName return "" for an unknown id; nil knows nobody.
	// They must not allocate for ids they have seen before.
	UserName, GroupName func(id uint32) string
	// Place returns the unit and the cgroup of a process, "" for what is not known;
	// nil knows them only of containers.
	Place func(pid uint32) (unit, cgroup string)
	// Peers returns who has an address, as seen from a network namespace; 0 is the
	// host's. It is a Container with nothing but Node for the machine itself, and nil
	// when nobody is known. A nil Peers knows nobody. It must not allocate.
	Peers func(netns uint32, addr netip.Addr) *Container
	// Location is the time zone of Timestamp texts, nil is UTC.
	Location *time.Location
	// Vars are the environment variables that fields may show.
	Vars map[string]string
}

// Encoder turns the records of one data source into text. An Encoder belongs to
// one goroutine.
//
// For a stream Begin is called once before the first record and End once after
// the last; for an array data source they enclose every batch.
type Encoder interface {
	Begin(dst []byte) []byte
	Append(dst []byte, rec *Record) []byte
	End(dst []byte) []byte
}

// Field returns the field with that full name, nil when there is none. Names
// compare exactly.
func (l *Layout) Field(name string) *Field {
	for i := range l.Fields {
		if l.Fields[i].Name == name {
			return &l.Fields[i]
		}
	}
	return nil
}

// Clone returns a copy with fields of its own, for a Layout that differs in some
// of them.
func (l *Layout) Clone() *Layout {
	c := *l
	c.Fields = slices.Clone(l.Fields)
	for _, p := range []**Field{&c.MntNS, &c.NetNS, &c.PID, &c.Time} {
		if *p != nil {
			*p = c.Field((*p).Name)
		}
	}
	return &c
}

package event

import (
	"encoding/binary"
	"math"
	"slices"
)

// builder makes a Layout and a Record with the same values.
type builder struct {
	layout Layout
	raw    []byte
	// skipped end of the struct that no field covers.
	container *Container
}

// at moves on to offset, for padding and unions.
func (b *builder) at(offset int) *builder {
	for len(b.raw) < offset {
		b.raw = append(b.raw, 0)
	}
	return b
}

// add appends a field of size bytes, with v in it: an integer, float64, bool,
// string or []byte.
func (b *builder) add(name string, kind Kind, size int, v any) *Field {
	offset := len(b.raw)
	data := make([]byte, size)
	var n uint64
	switch v := v.(type) {
	case int:
		n = uint64(v)
	case uint64:
		n = v
	case bool:
		if v {
			n = 1
		}
	case float64:
		n = math.Float64bits(v)
		if size == 4 {
			n = uint64(math.Float32bits(float32(v)))
		}
	case string:
		copy(data, v)
	case []byte:
		copy(data, v)
	}
	var wide [8]byte
	binary.NativeEndian.PutUint64(wide[:], n)
	switch v.(type) {
	case int, uint64, bool, float64:
		copy(data, wide[:])
	}
	b.raw = append(b.raw, data...)
	return b.view(name, kind, offset, size)
}

// view adds another field over bytes that are there already.
func (b *builder) view(name string, kind Kind, offset, size int) *Field {
	b.layout.Fields = append(b.layout.Fields, Field{
		Name: name, Kind: kind, Offset: offset, Size: size, Column: Column{Precision: -1},
	})
	b.layout.Size = len(b.raw)
	return &b.layout.Fields[len(b.layout.Fields)-1]
}

func (b *builder) formatted(name string, kind Kind, raw Kind, size int, v any) {
	offset := len(b.raw)
	b.add(name+"_raw", raw, size, v).Hidden = true
	b.view(name, kind, offset, size)
}

func (b *builder) record() *Record {
	return &Record{Raw: b.raw, Container: b.container}
}

var containerFields = []struct {
	name   string
	attr   ContainerAttr
	order  int
	hidden bool
}{
	{"k8s.node", K8sNode, -31, true},
	{"k8s.namespace", K8sNamespace, -30, true},
	{"k8s.podName", K8sPodName, -29, true},
	{"k8s.containerName", K8sContainerName, -28, true},
	{"k8s.hostnetwork", K8sHostNetwork, -27, true},
	{"k8s.podLabels", K8sPodLabels, -26, true},
	{"k8s.owner.kind", K8sOwnerKind, 0, true},
	{"k8s.owner.name", K8sOwnerName, 0, true},
	{"runtime.containerName", RuntimeContainerName, -27, false},
	{"runtime.runtimeName", RuntimeName, -26, true},
	{"runtime.containerId", RuntimeContainerID, -25, true},
	{"runtime.containerPid", RuntimeContainerPID, -24, true},
	{"runtime.containerImageName", RuntimeImageName, -23, true},
	{"runtime.containerImageDigest", RuntimeImageDigest, -22, true},
	{"runtime.containerStartedAt", RuntimeStartedAt, -21, true},
}

func (b *builder) enrich(c *Container) *builder {
	b.container = c
	for _, f := range containerFields {
		b.layout.Fields = append(b.layout.Fields, Field{
			Name: f.name, Kind: FromContainer, Attr: f.attr, Order: f.order, Hidden: f.hidden,
		})
	}
	return b
}

var busybox = &Container{
	Runtime: "docker", Name: "ev", Image: "bb", PID: 18380, StartedAt: 1795320851852517470,
	ID: "b714e4973ea1aaf40a5cd0b722b2732afee86b574a6db40ac6cf256394f30a9b",
}

func rootOnly(id uint32) string {
	if id == 0 {
		return "root"
	}
	return ""
}

var testEnv = &Env{UserName: rootOnly, GroupName: rootOnly}

// process adds a struct gadget_process.
func (b *builder) process(comm string, pid int, mntns int, pcomm string, ppid int) {
	b.add("proc.comm", CString, 16, comm)
	b.add("proc.pid", Uint32, 4, pid)
	b.add("proc.tid", Uint32, 4, pid)
	b.add("proc.mntns_id", Uint64, 8, mntns).Hidden = true
	for _, id := range []struct {
		number, name string
		kind         Kind
	}{{"uid", "user", User}, {"gid", "group", Group}} {
		offset := len(b.raw)
		b.add("proc.creds."+id.number, Uint32, 4, 0).Hidden = true
		b.view("proc.creds."+id.name, id.kind, offset, 4).Hidden = true
	}
	b.add("proc.parent.comm", CString, 16, pcomm).Hidden = true
	b.add("proc.parent.pid", Uint32, 4, ppid).Hidden = true
	b.add("proc.parent.tid", Uint32, 4, ppid)
}

// traceOpen is the event of the peer's gadget of that name, 928 bytes.
func traceOpen() *builder {
	b := &builder{layout: Layout{Name: "open"}}
	b.add("timestamp_raw", WallTime, 8, uint64(1795321069668141664)).Hidden = true
	b.view("timestamp", Timestamp, 0, 8).Hidden = true
	b.process("busybox", 18380, 4026532256, "containerd-shim", 18355)
	b.formatted("error", Errno, Uint32, 4, 0)
	b.add("fd", Uint32, 4, 3)
	b.formatted("flags", FileFlags, Uint32, 4, 577)
	b.formatted("mode", FileMode, Uint32, 4, 438)
	b.stack("ustack")
	b.add("fname", CString, 255, "/dev/null")
	b.add("fpath", CString, 512, "").Hidden = true
	b.at(928)
	b.layout.Size = 928
	b.enrich(busybox)
	i := slices.IndexFunc(b.layout.Fields, func(f Field) bool { return f.Name == "proc.mntns_id" })
	b.layout.MntNS = &b.layout.Fields[i]
	return b
}

// stack adds a struct gadget_user_stack and the texts of its target fields.
func (b *builder) stack(name string) {
	b.at(88)
	for _, m := range []struct {
		name string
		size int
	}{
		{"major", 4}, {"minor", 4}, {"inode", 8}, {"mtime_sec", 8}, {"mtime_nsec", 4}, {"base_addr_hash", 4},
		{"stack_id", 4}, {"tgid_level0", 4}, {"pid_level0", 4}, {"pidns_level0", 4}, {"pid_level1", 4},
		{"pidns_level1", 4}, {"otel_correlation_id", 8}, {"boot_timestamp", 8},
	} {
		kind := Uint32
		if m.size == 8 {
			kind = Uint64
		}
		b.add(name+"."+m.name, kind, m.size, 0).Hidden = true
	}
	for i, added := range []string{"addresses", "buildid", "symbols"} {
		f := b.view(name+"."+added, Added, 0, 0)
		f.Slot, f.Hidden = i, true
	}
}

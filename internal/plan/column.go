package plan

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/schemas"
)

// autoTemplates are the typedefs whose column template follows from the type
// (compat-spec §3.6). The parent's thread id is ours: it is of as little use in
// a table as the parent's process id, which the list has.
var autoTemplates = map[string]string{
	"gadget_comm": "comm", "gadget_uid": "uid", "gadget_gid": "gid", "gadget_pid": "pid",
	"gadget_tid": "tid", "gadget_timestamp": "timestamp", "gadget_mntns_id": "mntns_id",
	"gadget_netns_id": "netns_id", "gadget_pcomm": "pcomm", "gadget_ppid": "ppid",
	"gadget_ptid": "ptid",
}

func autoTemplate(names []string) string {
	for _, n := range names {
		if t := autoTemplates[n]; t != "" {
			return t
		}
	}
	return ""
}

// kindAbout describes the texts that we make, where neither gadget.yaml nor a
// template does.
var kindAbout = map[event.Kind]string{
	event.Errno:      "Name of the error, empty for none",
	event.Signal:     "Name of the signal",
	event.FileMode:   "Permissions of the file",
	event.FileFlags:  "Flags of the open file",
	event.User:       "Name of the user",
	event.Group:      "Name of the group",
	event.L3Addr:     "IP address",
	event.L4Addr:     "IP address",
	event.L4Proto:    "Protocol, such as TCP",
	event.L4Endpoint: "IP address and port",
	event.Unit:       "Unit of systemd that the process belongs to, such as nginx.service",
	event.Cgroup:     "Path of the cgroup that the process is in",
	event.PeerName:   "Who has the address, or the address",
}

// configure applies what decides how a field looks, weakest first: our
// defaults, the look of the type, the template that gadget.yaml names, what
// gadget.yaml says itself.
func (b *layoutBuilder) configure(f *event.Field, look map[string]string) {
	own := b.meta.Fields[strings.ToLower(f.Name)]
	all := map[string]string{}
	maps.Copy(all, look)
	maps.Copy(all, schemas.Template(own.Annotations["template"]))
	maps.Copy(all, own.Annotations)
	f.Annotations = all
	f.Tags = append(f.Tags, own.Tags...)
	f.Description = cmp.Or(all["description"], f.Description, kindAbout[f.Kind])
	f.Column.Width, f.Column.Precision = 16, -1
	for key, value := range all {
		setColumn(f, key, value)
	}
	// A minimum alone is what the values need; 16 cells for a process id would
	// take the room of a neighbour that can use it.
	if _, given := all["columns.width"]; !given && f.Column.MinWidth > 0 {
		f.Column.Width = f.Column.MinWidth
	}
}

// setColumn applies one annotation. Values that make no sense keep the default:
// an image that exists is never refused for its looks; the builder reports them.
func setColumn(f *event.Field, key, value string) {
	c := &f.Column
	switch key {
	case "columns.width":
		c.Width = columnWidth(f, value, c.Width)
	case "columns.minwidth":
		c.MinWidth = columnWidth(f, value, c.MinWidth)
	case "columns.maxwidth":
		c.MaxWidth = columnWidth(f, value, c.MaxWidth)
	case "columns.alignment":
		c.Right = value == "right"
	case "columns.ellipsis":
		switch value {
		case "start":
			c.Ellipsis = event.EllipsisStart
		case "middle":
			c.Ellipsis = event.EllipsisMiddle
		case "end":
			c.Ellipsis = event.EllipsisEnd
		case "":
			c.Ellipsis = event.EllipsisNone
		}
	case "columns.hidden":
		f.Hidden = value == "true"
	case "columns.fixed":
		c.Fixed = value == "true"
	case "columns.hex":
		c.Hex = value == "true"
	case "columns.alias":
		c.Title = value
	case "columns.precision":
		if n, err := strconv.Atoi(value); err == nil && n >= 0 && n <= 20 {
			c.Precision = n
		}
	case "json.skip":
		f.SkipJSON = value == "true"
	}
}

// columnWidth reads a width; "type" stands for what the widest value needs.
func columnWidth(f *event.Field, value string, old int) int {
	if value == "type" {
		switch f.Kind {
		case event.Bool:
			return 5
		case event.Int8:
			return 4
		case event.Uint8:
			return 3
		case event.Int16:
			return 6
		case event.Uint16:
			return 5
		case event.Int32:
			return 11
		case event.Uint32:
			return 10
		case event.Int64, event.Uint64, event.WallTime:
			return 20
		}
		return old
	}
	if n, err := strconv.Atoi(value); err == nil && n >= 0 && n <= 4096 {
		return n
	}
	return old
}

// envFields adds the fields that show environment variables (compat-spec §3.5).
func (b *layoutBuilder) envFields() {
	const prefix = "env.fields."
	for _, key := range slices.Sorted(maps.Keys(b.meta.Annotations)) {
		name, ok := strings.CutPrefix(key, prefix)
		if !ok || name == "" {
			continue
		}
		f := event.Field{Name: name, Kind: event.EnvVar, Format: b.meta.Annotations[key], Order: len(b.layout.Fields)}
		if i := b.add(f, ""); i >= 0 && b.annotation(name, "description") == "" {
			b.layout.Fields[i].Description = "Environment variable " + f.Format
		}
	}
}

// enrichment are the fields that every data source with a namespace gets
// (compat-spec §5.5).
var enrichment = []struct {
	name     string
	attr     event.ContainerAttr
	order    int
	template string
	hidden   bool
	about    string
}{
	{"k8s.node", event.K8sNode, -31, "node", true,
		"Node of the Kubernetes cluster"},
	{"k8s.namespace", event.K8sNamespace, -30, "namespace", true,
		"Kubernetes namespace of the pod"},
	{"k8s.podName", event.K8sPodName, -29, "pod", true,
		"Name of the pod"},
	{"k8s.containerName", event.K8sContainerName, -28, "container", true,
		"Name of the container in its pod"},
	{"k8s.hostnetwork", event.K8sHostNetwork, -27, "", true,
		"Whether the pod uses the network of the host"},
	{"k8s.podLabels", event.K8sPodLabels, -26, "", true,
		"Labels of the pod: key=value,…"},
	{"k8s.owner.kind", event.K8sOwnerKind, 0, "", true,
		"Kind of what the pod belongs to, such as Deployment"},
	{"k8s.owner.name", event.K8sOwnerName, 0, "", true,
		"Name of what the pod belongs to"},
	{"runtime.containerName", event.RuntimeContainerName, -27, "container", false,
		"Name of the container, empty for the host"},
	{"runtime.runtimeName", event.RuntimeName, -26, "", true,
		"Runtime that made the container, such as docker"},
	{"runtime.containerId", event.RuntimeContainerID, -25, "", true,
		"Full id of the container"},
	{"runtime.containerPid", event.RuntimeContainerPID, -24, "containerPid", true,
		"Process id of the container's first process, as the host sees it"},
	{"runtime.containerImageName", event.RuntimeImageName, -23, "containerImageName", true,
		"Image of the container"},
	{"runtime.containerImageDigest", event.RuntimeImageDigest, -22, "containerImageDigest", true,
		"Digest of the container's image"},
	{"runtime.containerStartedAt", event.RuntimeStartedAt, -21, "containerStartedAt", true,
		"Start of the container, nanoseconds since 1970"},
	{"runtime.labels", event.RuntimeLabels, -20, "", true,
		"Labels of the container: key=value,…"},
	{"runtime.status", event.RuntimeStatus, -19, "", true,
		"known, or unknown: and why no runtime has named the container"},
}

// enrich adds the fields that say whose an event is.
func (b *layoutBuilder) enrich() {
	for _, e := range enrichment {
		f := event.Field{Name: e.name, Kind: event.FromContainer, Attr: e.attr, Order: e.order}
		if strings.HasPrefix(e.name, "k8s.") {
			f.Tags = []string{"kubernetes"}
		}
		if e.attr == event.RuntimeContainerName {
			f.Column.Title = "container"
		}
		f.Hidden = e.hidden
		i := b.add(f, e.template)
		if i < 0 {
			continue
		}
		if b.annotation(e.name, "description") == "" {
			b.layout.Fields[i].Description = e.about
		}
	}
}

package plan

import (
	"slices"

	"github.com/gadget-bpf/gadget/internal/event"
)

// Layouts of the endpoint structs (compat-spec §4.5).
const (
	portOffset       = 16
	protoOffset      = 18
	l4VersionOffset  = 20
	l3VersionOffset  = 16
	l3EndpointStruct = "gadget_l3endpoint_t"
	l4EndpointStruct = "gadget_l4endpoint_t"
)

// endpointAbout describes the numbers of an endpoint; its texts have descriptions
// by their kind.
var endpointAbout = map[string]string{
	".port": "Port number", ".proto_raw": "Number of the protocol", ".version": "IP version, 4 or 6",
}

// endpoint adds the fields of an address and reports whether typ is one. The
// struct itself becomes a column that shows the whole; its parts are in JSON.
func (b *layoutBuilder) endpoint(name, typ string, offset int) bool {
	at := func(suffix string, kind event.Kind, off, size int) event.Field {
		return event.Field{
			Name: name + suffix, Kind: kind, Offset: offset + off, Size: size,
			Order: len(b.layout.Fields), Hidden: suffix != "", Type: typ, Description: endpointAbout[suffix],
		}
	}
	switch typ {
	case l3EndpointStruct:
		whole := at("", event.L3Addr, 0, 32)
		whole.SkipJSON = true
		b.add(whole, "")
		b.add(at(".addr", event.L3Addr, 0, 32), "")
		b.add(at(".version", event.Uint8, l3VersionOffset, 1), "")
		b.peer(whole)
		return true
	case l4EndpointStruct:
		whole, text := at("", event.L4Endpoint, 0, 32), at(".endpoint", event.L4Endpoint, 0, 32)
		whole.SkipJSON, text.SkipJSON = true, true
		text.Tags = []string{"endpoint"}
		b.add(whole, "l4endpoint")
		b.add(at(".addr", event.L4Addr, 0, 32), "")
		b.add(text, "l4endpoint")
		b.add(at(".port", event.Uint16, portOffset, 2), "")
		b.add(at(".proto", event.L4Proto, 0, 32), "")
		b.add(at(".proto_raw", event.Uint16, protoOffset, 2), "")
		b.add(at(".version", event.Uint8, l4VersionOffset, 1), "")
		b.peer(whole)
		return true
	}
	return false
}

// peerFields say who has the address of an endpoint: names of compat-spec §5.5, and
// those of containers, which are ours.
var peerFields = []struct {
	suffix string
	attr   event.ContainerAttr
	about  string
}{
	{".runtime.containerName", event.RuntimeContainerName, "Name of the container with this address, where it is on this machine"},
	{".k8s.kind", event.K8sKind, "pod, if this is the address of one on this machine"},
	{".k8s.name", event.K8sPodName, "Name of the pod with this address"},
	{".k8s.namespace", event.K8sNamespace, "Namespace of the pod with this address"},
	{".k8s.labels", event.K8sPodLabels, "Labels of the pod with this address"},
}

// peer adds who has the address of an endpoint. Its column shows the name.
func (b *layoutBuilder) peer(address event.Field) {
	peer := &event.Peer{Address: &address}
	b.peers = append(b.peers, peer)
	derived := func(suffix string, kind event.Kind) event.Field {
		return event.Field{Name: address.Name + suffix, Kind: kind, Peer: peer, Order: len(b.layout.Fields), Hidden: true}
	}
	name := derived(".name", event.PeerName)
	name.SkipJSON = true
	if b.add(name, "") >= 0 {
		b.shownAs[address.Name] = name.Name
	}
	for _, p := range peerFields {
		f := derived(p.suffix, event.FromPeer)
		f.Attr, f.Description = p.attr, p.about
		b.add(f, "")
	}
}

// HasPeers reports whether events have addresses that may be somebody's here.
func (p *Plan) HasPeers() bool {
	for _, s := range p.Sources {
		if slices.ContainsFunc(s.Layout.Fields, func(f event.Field) bool { return f.Kind == event.PeerName }) {
			return true
		}
	}
	return false
}

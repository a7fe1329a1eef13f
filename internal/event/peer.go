package event

import "strconv"

// peer is who has the address of a PeerName or FromPeer field, nil when nobody is
// known.
func (t *Formatter) peer(f *Field, rec *Record) *Container {
	if t.env.Peers == nil || f.Peer == nil {
		return nil
	}
	addr := f.Peer.Address.Addr(rec)
	if !addr.IsValid() {
		return nil
	}
	var netns uint32
	switch {
	case f.Peer.NetNS != nil:
		netns = uint32(f.Peer.NetNS.Uint(rec))
	case rec.Container != nil:
		netns = rec.Container.NetNS
	}
	return t.env.Peers(netns, addr)
}

// appendPeer appends the name of who has an address, with the port where there is
// one, or the address.
func (t *Formatter) appendPeer(dst []byte, f *Field, rec *Record) []byte {
	if f.Peer == nil {
		return dst
	}
	c := t.peer(f, rec)
	if c == nil {
		return t.Append(dst, f.Peer.Address, rec)
	}
	switch {
	case c.Pod != "":
		dst = append(append(dst, "p/"...), c.Namespace...)
		dst = append(append(dst, '/'), c.Pod...)
	case c.Name != "":
		dst = append(append(dst, "c/"...), c.Name...)
	default:
		dst = append(append(dst, "h/"...), c.Node...)
	}
	if f.Peer.Address.Kind == L4Endpoint {
		dst = strconv.AppendUint(append(dst, ':'), uint64(f.Peer.Address.port(rec)), 10)
	}
	return dst
}

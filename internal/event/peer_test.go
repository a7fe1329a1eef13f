package event

import (
	"net/netip"
	"testing"
)

func TestPeers(t *testing.T) {
	web := &Container{ID: "1", Name: "web"}
	cart := &Container{ID: "2", Name: "k8s_cart", Namespace: "shop", Pod: "cart-7", PodLabels: "app=cart", PodContainer: "cart"}
	env := &Env{Peers: func(netns uint32, addr netip.Addr) *Container {
		switch addr.String() {
		case "10.0.0.2":
			return web
		case "10.0.0.3":
			return cart
		case "192.0.2.1":
			return &Container{Node: "node1", HostNetwork: true}
		case "10.0.0.9":
			if netns == 77 {
				return web
			}
		case "::1":
			if netns == 78 {
				return cart
			}
		}
		return nil
	}}
	tests := []struct {
		addr               string
		version            byte
		netns              uint32 // of the event
		container          *Container
		name, address      string
		owner, kind, label string
	}{
		{"10.0.0.2", 4, 0, nil, "c/web:80", "c/web", "web", "", ""},
		{"10.0.0.3", 4, 0, nil, "p/shop/cart-7:80", "p/shop/cart-7", "k8s_cart", "pod", "app=cart"},
		{"192.0.2.1", 4, 0, nil, "h/node1:80", "h/node1", "", "", ""},
		{"10.0.0.8", 4, 0, nil, "10.0.0.8:80", "10.0.0.8", "", "", ""},
		{"2001:db8::8", 6, 0, nil, "[2001:db8::8]:80", "2001:db8::8", "", "", ""},
		{"10.0.0.9", 4, 77, nil, "c/web:80", "c/web", "web", "", ""},
		{"10.0.0.9", 4, 76, nil, "10.0.0.9:80", "10.0.0.9", "", "", ""},
		{"::1", 6, 0, &Container{NetNS: 78}, "p/shop/cart-7:80", "p/shop/cart-7", "k8s_cart", "pod", "app=cart"},
		{"10.0.0.9", 9, 77, nil, "", "", "", "", ""},
	}
	for _, tt := range tests {
		b := &builder{}
		b.add("netns", Uint32, 4, int(tt.netns))
		b.raw = append(b.raw, endpoint(tt.addr, 80, 6, tt.version, true)...)
		b.raw = append(b.raw, endpoint(tt.addr, 0, 0, tt.version, false)...)
		rec := &Record{Raw: b.raw, Container: tt.container}
		peer := &Peer{Address: &Field{Kind: L4Endpoint, Offset: 4, Size: 32}}
		if tt.netns != 0 {
			peer.NetNS = &b.layout.Fields[0]
		}
		l3 := &Peer{Address: &Field{Kind: L3Addr, Offset: 36, Size: 32}, NetNS: peer.NetNS}
		fields := []Field{
			{Kind: PeerName, Peer: peer}, {Kind: PeerName, Peer: l3}, {Kind: FromPeer, Attr: RuntimeContainerName, Peer: peer},
			{Kind: FromPeer, Attr: K8sKind, Peer: peer}, {Kind: FromPeer, Attr: K8sPodLabels, Peer: l3},
		}
		for i, want := range []string{tt.name, tt.address, tt.owner, tt.kind, tt.label} {
			if got := string(NewFormatter(env).Append(nil, &fields[i], rec)); got != want {
				t.Errorf("%s, field %d: got %q, want %q", tt.addr, i, got, want)
			}
			// Without names there are addresses.
			if i < 2 {
				plain := string(NewFormatter(nil).Append(nil, fields[i].Peer.Address, rec))
				if got := string(NewFormatter(nil).Append(nil, &fields[i], rec)); got != plain {
					t.Errorf("%s, field %d: got %q, want %q", tt.addr, i, got, plain)
				}
			}
		}
	}
	text := NewFormatter(&Env{Peers: func(uint32, netip.Addr) *Container { return cart }})
	rec, f := &Record{Raw: endpoint("10.0.0.3", 80, 6, 4, true)}, &Field{Kind: PeerName, Peer: &Peer{Address: &Field{Kind: L4Endpoint, Size: 32}}}
	buf := make([]byte, 0, 100)
	if n := testing.AllocsPerRun(100, func() { buf = text.Append(buf[:0], f, rec) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := string(text.Append(nil, &Field{Kind: PeerName}, rec)); got != "" {
		t.Errorf("a field without an address: %q", got)
	}
}

package pipe

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container"
)

// A mount namespace says more than a network namespace, when there is one.
func TestNamespaceKey(t *testing.T) {
	mnt := &event.Field{Kind: event.Uint64, Offset: 8, Size: 8}
	net := &event.Field{Kind: event.Uint32, Offset: 4, Size: 4}
	raw := make([]byte, 16)
	binary.NativeEndian.PutUint32(raw[4:], 7)
	for _, tt := range []struct {
		name   string
		layout event.Layout
		mntns  uint64
		want   uint64
	}{
		{"mount only", event.Layout{MntNS: mnt}, 9, 9},
		{"mount only, unknown", event.Layout{MntNS: mnt}, 0, 0},
		{"network only", event.Layout{NetNS: net}, 9, container.Network(7)},
		{"both", event.Layout{MntNS: mnt, NetNS: net}, 9, 9},
		{"both, mount unknown", event.Layout{MntNS: mnt, NetNS: net}, 0, container.Network(7)},
	} {
		binary.NativeEndian.PutUint64(raw[8:], tt.mntns)
		if got := namespaceKey(&tt.layout, raw); got != tt.want {
			t.Errorf("%s: key %#x, want %#x", tt.name, got, tt.want)
		}
	}
}

// networkLayout has events of a network namespace and a number.
func networkLayout() *event.Layout {
	l := tableLayout()
	l.Size = 12
	l.Fields[0] = event.Field{Name: "netns", Kind: event.Uint32, Size: 4, Hidden: true}
	l.Fields[1].Offset = 4
	l.MntNS, l.NetNS = nil, &l.Fields[0]
	return l
}

func networkEvent(netns uint32, n uint64) []byte {
	return binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint32(nil, netns), n)
}

// Events that say only in which network namespace they happened wait for their
// container like all others, in order.
func TestStreamByNetwork(t *testing.T) {
	web, other := container.Network(1), container.Network(2)
	o := &owners{
		verdicts: map[uint64]container.Verdict{web: container.Wait, other: container.Drop},
		names:    map[uint64]string{web: "web"},
	}
	l := networkLayout()
	l.Array = false
	var out bytes.Buffer
	s := NewStream(&Source{
		Layout: l, Hold: NewHoldBack(l, o, nil),
		Encoder: event.NewJSON(l, &event.Env{}, event.JSONOptions{}),
	}, nil, NewOutput(&out, 0))
	for i, netns := range []uint32{1, 2, 1} {
		if err := s.event(networkEvent(netns, uint64(i))); err != nil {
			t.Fatal(err)
		}
	}
	o.set(web, container.Emit)
	if err := s.release(false); err != nil {
		t.Fatal(err)
	}
	want := `{"n":0,"name":"web","netns":1}` + "\n" + `{"n":2,"name":"web","netns":1}` + "\n"
	if diff := cmp.Diff(want, string(s.buf)); diff != "" || s.Filtered.Load() != 1 {
		t.Errorf("%d filtered, -want +got:\n%s", s.Filtered.Load(), diff)
	}
}

// With all owners known, looking for them by network costs no allocation.
func TestStreamByNetworkDoesNotAllocate(t *testing.T) {
	o := &owners{verdicts: map[uint64]container.Verdict{container.Network(1): container.Emit}}
	h := NewHoldBack(networkLayout(), o, nil)
	raw := networkEvent(1, 1)
	if n := testing.AllocsPerRun(100, func() { h.Look(raw) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBatchByNetwork(t *testing.T) {
	web, db := container.Network(1), container.Network(2)
	o := &owners{
		verdicts: map[uint64]container.Verdict{web: container.Emit, db: container.Drop},
		names:    map[uint64]string{web: "web", db: "db"},
	}
	var out bytes.Buffer
	l := networkLayout()
	b := NewBatch(&Source{Layout: l, Encoder: event.NewJSON(l, &event.Env{}, event.JSONOptions{})},
		func(dst []byte) ([]byte, error) {
			return append(append(dst, networkEvent(2, 5)...), networkEvent(1, 6)...), nil
		}, NewOutput(&out, 0))
	b.Table = o
	if err := b.Run(t.Context(), Schedule{Count: 1}); err != nil {
		t.Fatal(err)
	}
	if want := `[{"n":6,"name":"web","netns":1}]` + "\n"; out.String() != want || b.Filtered.Load() != 1 {
		t.Errorf("%d filtered, got %swant %s", b.Filtered.Load(), out.String(), want)
	}
}

// Who does not get an answer in time goes with what there is.
func TestAwait(t *testing.T) {
	o := &owners{verdicts: map[uint64]container.Verdict{1: container.Wait}, names: map[uint64]string{1: "0123456789ab"}}
	start := time.Now()
	c, verdict := Await(o, 1, start.Add(5*time.Millisecond))
	if verdict != container.Emit || c.Name != "0123456789ab" || time.Since(start) < 5*time.Millisecond {
		t.Errorf("%v, %+v after %v", verdict, c, time.Since(start))
	}
}

package container

import (
	"sync/atomic"
	"testing"

	"github.com/gadget-bpf/gadget/internal/event"
)

// succession is a table in which number 7 had three owners: one until 1000, the
// host until 5000, one that lives.
func succession(p policy) *Table {
	t := newTable(p)
	t.publish(map[uint64][]owner{7: {
		{after: 5000, state: Known, container: &event.Container{ID: "c"}},
		{after: 2000, end: 5000, state: Host, verdict: Drop},
		{end: 1000, state: Known, container: &event.Container{ID: "a"}},
	}}, 1)
	return t
}

func TestLookupInTime(t *testing.T) {
	table := succession(policy{})
	tests := []struct {
		boot  uint64
		id    string
		state State
	}{
		{0, "c", Known}, {5001, "c", Known}, {1 << 60, "c", Known},
		{5000, "", Host}, {2001, "", Host},
		{2000, "a", Known}, {999, "a", Known}, {1, "a", Known},
	}
	for _, tt := range tests {
		c, state := table.Lookup(7, tt.boot)
		id := ""
		if c != nil {
			id = c.ID
		}
		if id != tt.id || state != tt.state {
			t.Errorf("at %d: got %q, %v; want %q, %v", tt.boot, id, state, tt.id, tt.state)
		}
	}
	if _, state := table.Lookup(8, 0); state != Unknown {
		t.Errorf("another number is %v", state)
	}
}

func TestLookupAfterTheEnd(t *testing.T) {
	table := newTable(policy{})
	table.publish(map[uint64][]owner{7: {{end: 1000, state: Known}}}, 0)
	for boot, want := range map[uint64]State{0: Known, 1000: Known, 1000 + exitGrace: Known, 1001 + exitGrace: Unknown} {
		if _, got := table.Lookup(7, boot); got != want {
			t.Errorf("at %d: got %v, want %v", boot, got, want)
		}
	}
}

func TestJudge(t *testing.T) {
	unknown := func(p policy) Verdict {
		_, v := newTable(p).Judge(1, 0)
		return v
	}
	if v := unknown(policy{}); v != Drop {
		t.Errorf("unknown, containers only: %v", v)
	}
	if v := unknown(policy{host: true}); v != Emit {
		t.Errorf("unknown, host wanted: %v", v)
	}
	if v := unknown(policy{filtered: true}); v != Emit {
		t.Errorf("unknown, has passed the filter: %v", v)
	}

	table := succession(policy{})
	if _, v := table.Judge(7, 3000); v != Drop {
		t.Errorf("host's: %v", v)
	}
	// The kernel has announced what the table has not learned.
	atomic.AddUint64(table.announced, 1)
	if _, v := table.Judge(7, 0); v != Wait {
		t.Errorf("behind the tracker: %v", v)
	}
	table.learned.Add(1)
	if c, v := table.Judge(7, 0); v != Emit || c == nil || c.ID != "c" {
		t.Errorf("up to date: %v, %v", c, v)
	}
}

func TestPublishForgets(t *testing.T) {
	table := succession(policy{})
	before := table.Generation()
	table.publish(map[uint64][]owner{7: nil, 9: {{state: Host}}}, 0)
	if _, state := table.Lookup(7, 0); state != Unknown {
		t.Errorf("still %v", state)
	}
	if _, state := table.Lookup(9, 0); state != Host {
		t.Errorf("new one is %v", state)
	}
	if table.Generation() == before {
		t.Error("same generation")
	}
}

// A look-up costs no allocation.
func TestJudgeDoesNotAllocate(t *testing.T) {
	table := succession(policy{})
	if n := testing.AllocsPerRun(1000, func() { table.Judge(7, 3000) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkJudge(b *testing.B) {
	table := newTable(policy{})
	owners := map[uint64][]owner{}
	for i := range uint64(200) {
		owners[4026531840+i] = []owner{{state: Known, container: &event.Container{}}}
	}
	table.publish(owners, 200)
	b.ReportAllocs()
	for i := range b.N {
		table.Judge(4026531840+uint64(i)%200, uint64(i)+1)
	}
}

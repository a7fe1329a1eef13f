package event

import "testing"

func TestRaw(t *testing.T) {
	b := &builder{layout: Layout{Name: "advice"}}
	b.add("number", Uint32, 4, 7)
	b.add("text", CString, 32, "two\nlines\tand \x1b[2J")
	b.add("hidden", CString, 8, "no").Hidden = true
	b.add("more", CString, 8, "日本")
	e := NewRaw(&b.layout, nil)
	want := "two\nlines\tand \\x1b[2J\n日本\n"
	if got := encode(e, b.record(), b.record()); got != want+want {
		t.Errorf("got %q, want %q", got, want+want)
	}
	rec, dst := b.record(), make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { dst = e.Append(dst[:0], rec) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

package guests

import (
	"strings"
	"testing"
)

const page = "# Kernels\n\n" + beginMark + endMark + "\nThe end.\n"

func newTable() *Table {
	return &Table{Kernels: []string{"5.10", "6.12"}, Groups: []Group{
		{Title: "construct", Cases: []string{"tracepoint", "kprobe.multi"}},
		{Title: "gadget", Cases: []string{"trace_open", "trace_exec"}},
	}}
}

// TestTable writes a table, reads it, and gives one kernel other results.
func TestTable(t *testing.T) {
	table := newTable()
	const why = "this kernel has no kprobe.multi (since 5.18)"
	table.Set("5.10", []Result{{"tracepoint", "ok", ""}, {"kprobe.multi", "absent", why},
		{"trace_open", "ok", ""}, {"trace_exec", "absent", why}})
	table.Set("6.12", []Result{{"tracepoint", "ok", ""}, {"kprobe.multi", "ok", ""}, {"trace_open", "ok", ""},
		{"trace_exec", "absent", "something else"}})
	written, err := table.Write(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Kernels\n", "\nThe end.\n",
		"| construct | 5.10 | 6.12 |\n| --- | :-: | :-: |\n| `tracepoint` | ✓ | ✓ |\n| `kprobe.multi` | – (1) | ✓ |\n",
		"| gadget | 5.10 | 6.12 |\n| --- | :-: | :-: |\n| `trace_open` | ✓ | ✓ |\n| `trace_exec` | – (1) | – (2) |\n",
		"\n1. " + why + "\n2. something else\n",
	} {
		if !strings.Contains(written, want) {
			t.Errorf("lacks %q:\n%s", want, written)
		}
	}

	again := newTable()
	if err := again.Read(written); err != nil {
		t.Fatal(err)
	}
	if got, err := again.Write(page); err != nil || got != written {
		t.Errorf("read and written again, %v:\n%s", err, got)
	}

	again.Set("6.12", []Result{{"tracepoint", "fail", ""}})
	got, err := again.Write(written)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| `tracepoint` | ✓ |   |\n", "| `kprobe.multi` | – (1) |   |\n", "| `trace_open` | ✓ |   |\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "something else") {
		t.Errorf("has a note that nothing refers to:\n%s", got)
	}
}

// TestTablePage refuses pages without a place for the table.
func TestTablePage(t *testing.T) {
	if _, err := newTable().Write("# Kernels\n"); err == nil {
		t.Error("wrote into a page without markers")
	}
	if err := newTable().Read("# Kernels\n"); err == nil {
		t.Error("read from a page without markers")
	}
}

// TestResults reads verdicts that other output surrounds.
func TestResults(t *testing.T) {
	r := Run{Console: "KERNEL 6.1\nno line breakCASE a ok\nCASE b absent: why so \nCASE c fail: exit 1\nTIME x 120ms\nGUEST-DONE\n"}
	got := r.Results()
	want := []Result{{"a", "ok", ""}, {"b", "absent", "why so"}, {"c", "fail", "exit 1"}}
	if len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("results %q", got)
	}
	if notes := r.Notes(); len(notes) != 2 || notes[0] != "6.1" || notes[1] != "x 120ms" {
		t.Errorf("notes %q", notes)
	}
}

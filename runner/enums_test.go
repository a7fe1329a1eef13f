package runner

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// TestKernelEnums gives enums wrong numbers and expects the running kernel's.
func TestKernelEnums(t *testing.T) {
	value := func(name string, v uint64) event.EnumValue { return event.EnumValue{Name: name, Value: v} }
	mine := &event.Enum{Name: "bpf_prog_type", Values: []event.EnumValue{value("MADE_UP", 7)}}
	layout := &event.Layout{Fields: []event.Field{
		{Name: "pid"}, {Name: "ns"},
		// The second member of enum pid_type has been PIDTYPE_TGID since Linux 4.19.
		{Name: "type", Enum: &event.Enum{Name: "pid_type", Values: []event.EnumValue{
			value("PIDTYPE_TGID", 77), value("OTHER", 0), value("EXTRA", 78)}}},
		{Name: "mine", Enum: mine},
		{Name: "nowhere", Enum: &event.Enum{Name: "no_such_enum", Values: mine.Values}},
	}}
	layout.MntNS = &layout.Fields[1]
	s := &plan.Source{Name: "x", Layout: layout}
	got := kernelEnums(s, newKernel(nil))
	if got == s || layout.Fields[2].Enum.Values[0].Value != 77 {
		t.Error("the plan was changed")
	}
	if got.Layout.MntNS != &got.Layout.Fields[1] {
		t.Error("the copy points into the original")
	}
	numbers := map[string]uint64{}
	for _, v := range got.Layout.Fields[2].Enum.Values {
		numbers[v.Name] = v.Value
	}
	if numbers["PIDTYPE_TGID"] != 1 || numbers["EXTRA"] != 78 {
		t.Errorf("numbers %v", numbers)
	}
	if _, there := numbers["OTHER"]; there {
		t.Error("a number of the kernel's has two names")
	}
	for _, i := range []int{3, 4} {
		if diff := cmp.Diff(mine.Values, got.Layout.Fields[i].Enum.Values); diff != "" {
			t.Errorf("%s: %s", got.Layout.Fields[i].Name, diff)
		}
	}
	plain := &plan.Source{Layout: &event.Layout{Fields: layout.Fields[:2]}}
	if kernelEnums(plain, nil) != plain {
		t.Error("a source without enums was copied")
	}
}

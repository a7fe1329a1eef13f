package runner

import (
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// kernelEnums returns the data source with its enums as the running kernel
// declares them: numbers move between kernels, and the object knows those of the
// headers it was compiled with. Its layout is a copy when anything changes.
// Without types of the kernel the object's are as good as it gets.
func kernelEnums(s *plan.Source, k *kernel) *plan.Source {
	named := func(f event.Field) bool { return f.Enum != nil && f.Enum.Name != "" }
	if !slices.ContainsFunc(s.Layout.Fields, named) {
		return s
	}
	types, err := k.types()
	if err != nil {
		return s
	}
	layout := s.Layout.Clone()
	for i := range layout.Fields {
		if f := &layout.Fields[i]; named(*f) {
			f.Enum = kernelEnum(f.Enum, types)
		}
	}
	changed := *s
	changed.Layout = layout
	return &changed
}

// kernelEnum puts the kernel's enum of that name before the object's: what only
// the object has, a gadget may have made up. Enums without a name of a value in
// common are different ones.
func kernelEnum(own *event.Enum, kernel *btf.Spec) *event.Enum {
	candidates, err := kernel.AnyTypesByName(own.Name)
	if err != nil {
		return own // the kernel has none
	}
	for _, typ := range candidates {
		if enum, ok := btf.As[*btf.Enum](typ); ok && related(own, enum) {
			return merge(enum, own)
		}
	}
	return own
}

func related(own *event.Enum, kernel *btf.Enum) bool {
	return slices.ContainsFunc(own.Values, func(o event.EnumValue) bool {
		return slices.ContainsFunc(kernel.Values, func(k btf.EnumValue) bool { return k.Name == o.Name })
	})
}

func merge(kernel *btf.Enum, own *event.Enum) *event.Enum {
	merged := &event.Enum{Name: own.Name}
	for _, k := range kernel.Values {
		merged.Values = append(merged.Values, event.EnumValue{Name: k.Name, Value: k.Value})
	}
	for _, o := range own.Values {
		if !slices.ContainsFunc(merged.Values, func(m event.EnumValue) bool { return m.Name == o.Name || m.Value == o.Value }) {
			merged.Values = append(merged.Values, o)
		}
	}
	return merged
}

package plan

import "github.com/cilium/ebpf"

// PowersOf is what a program could do by its type and its instructions.
func PowersOf(spec *ebpf.ProgramSpec) []Power { return powersOf(spec, callsOf(spec)) }

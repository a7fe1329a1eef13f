package doctor

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
)

// mapTypes are those that gadgets use and that some kernels lack.
var mapTypes = []struct {
	name, since string
	kind        ebpf.MapType
	// standIn says what is used instead.
	standIn string
}{
	{"ringbuf", "5.8", ebpf.RingBuf, "gadgets that declare their buffer by GADGET_TRACER_MAP get perf buffers"},
	{"perf_event_array", "4.3", ebpf.PerfEventArray, ""},
	{"lru_hash", "4.10", ebpf.LRUHash, ""},
	{"stack_trace", "4.6", ebpf.StackTrace, ""},
	{"task_storage", "5.11", ebpf.TaskStorage, ""},
	{"sk_storage", "5.2", ebpf.SkStorage, ""},
	{"cgrp_storage", "6.2", ebpf.CGroupStorage, ""},
}

// maps makes a map of each type.
func maps(may bool) []Check {
	var checks []Check
	for _, m := range mapTypes {
		c := Check{Name: m.name, State: OK}
		if !may {
			c.State, c.Detail = Unknown, notTried
		} else if err := features.HaveMapType(m.kind); err != nil {
			c.State, c.Detail, c.Remedy = Missing, reason(err), "use Linux "+m.since+" or later"
			if m.standIn != "" {
				c.State, c.Detail = Limited, m.standIn
			}
		}
		checks = append(checks, c)
	}
	return checks
}

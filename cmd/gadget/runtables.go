package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
)

const sectionTables = "Tables"

// tableOptions are for data sources whose rows come in batches: snapshots and
// tops. Gadgets without such a data source do not have the flags.
type tableOptions struct {
	sort     perSource
	maxRows  int
	interval seconds
	count    uint64
}

func (o *tableOptions) addTo(cmd *cobra.Command, g *gadget) {
	if !hasTables(g) {
		return
	}
	o.sort = perSource{kind: "FIELDS", separator: ";"}
	fs := cmd.Flags()
	fs.Var(&o.sort, "sort", "order of the rows: a,-b sorts by a, then by b from high to low; SOURCE:FIELDS;… for several data sources")
	fs.IntVar(&o.maxRows, "max-entries", 0, "show only the first `N` rows of each table")
	fs.Var(&o.interval, "interval", "time between two tables; a bare number is seconds (default: what the gadget says)")
	fs.Uint64Var(&o.count, "count", 0, "stop after `N` tables (default: what the gadget says)")
	inSection(fs, sectionTables, "sort", "max-entries", "interval", "count")
}

func hasTables(g *gadget) bool {
	for _, s := range g.plan.Sources {
		if s.Layout.Array {
			return true
		}
	}
	return false
}

// check finds mistakes before the kernel is asked for anything.
func (o *tableOptions) check(cmd *cobra.Command, g *gadget) error {
	for _, s := range g.plan.Sources {
		if _, err := o.order(s, &event.Env{}); err != nil {
			return usageErrorf(cmd, "--sort: %w", err).hint("gadget run %s --help lists the fields", g.name)
		}
	}
	if o.maxRows < 0 {
		return usageErrorf(cmd, "--max-entries: %d is less than nothing; 0 shows all rows", o.maxRows)
	}
	return nil
}

func (o *tableOptions) order(s *plan.Source, env *event.Env) (func(a, b *event.Record) int, error) {
	switch {
	case !s.Layout.Array:
		return nil, nil
	case s.Metrics != nil && o.sort.value(s.Name) != "":
		return nil, fmt.Errorf("the series of %s come by size, the largest first", s.Name)
	}
	return event.ParseOrder(s.Layout, env, o.sort.value(s.Name))
}

// apply puts the flags into the options of a run.
func (o *tableOptions) apply(r *runner.Options) {
	r.Order, r.MaxRows = o.order, o.maxRows
	r.Interval, r.Count = time.Duration(o.interval), o.count
}

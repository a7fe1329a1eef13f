package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
)

const sectionTables = "Tables"

// tableOptions are for data sources whose rows come in batches: snapshots and
// tops. Gadgets without such a data source do not have the flags.
type tableOptions struct {
	sort, interval, count perSource
	maxRows               int
}

func (o *tableOptions) addTo(cmd *cobra.Command, g *gadget) {
	if !g.hasTables() {
		return
	}
	o.sort = perSource{kind: "FIELDS", separator: ";"}
	o.interval = perSource{kind: "TIME", separator: ",", accept: isSeconds}
	o.count = perSource{kind: "N", separator: ",", accept: isCount}
	fs := cmd.Flags()
	fs.Var(&o.sort, "sort", "order of the rows: a,-b sorts by a, then by b from high to low; SOURCE:FIELDS;… for several data sources")
	fs.IntVar(&o.maxRows, "max-entries", 0, "show only the first `N` rows of each table")
	fs.Var(&o.interval, "interval", "time between two tables; a bare number is seconds (default: what the gadget says)")
	fs.Var(&o.count, "count", "stop after N tables (default: what the gadget says)")
	inSection(fs, sectionTables, "sort", "max-entries", "interval", "count")
}

func (g *gadget) hasTables() bool {
	for _, s := range g.plan.Sources {
		if s.Layout.Array {
			return true
		}
	}
	return false
}

func isSeconds(s string) error {
	var d seconds
	return d.Set(s)
}

func isCount(s string) error {
	if _, err := strconv.ParseUint(s, 10, 32); err != nil {
		return fmt.Errorf("%q is not a whole number of 0 or more", s)
	}
	return nil
}

// apply finds mistakes before the kernel is asked for anything, and puts the
// intervals that were asked for into the plan.
func (o *tableOptions) apply(cmd *cobra.Command, g *gadget) error {
	for flag, p := range map[string]*perSource{"sort": &o.sort, "interval": &o.interval, "count": &o.count} {
		if err := p.checkNames(cmd, flag, g); err != nil {
			return err
		}
	}
	if o.maxRows < 0 {
		return usageErrorf(cmd, "--max-entries: %d is less than nothing; 0 shows all rows", o.maxRows)
	}
	for _, s := range g.plan.Sources {
		if _, err := o.order(s, &event.Env{}); err != nil {
			return usageErrorf(cmd, "--sort: %w", err).hint("gadget run %s --help lists the fields", g.name)
		}
		if err := o.schedule(cmd, s); err != nil {
			return err
		}
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

// schedule sets when the tables of a data source come.
func (o *tableOptions) schedule(cmd *cobra.Command, s *plan.Source) error {
	interval, count := o.interval.value(s.Name), o.count.value(s.Name)
	if interval != "" {
		var d seconds
		_ = d.Set(interval) // the flag has accepted it
		s.Interval = time.Duration(d)
		// An interval asks for more than the one table of a snapshot.
		if s.Count == 1 && d > 0 {
			s.Count = 0
		}
	}
	if count != "" {
		s.Count, _ = strconv.ParseUint(count, 10, 32)
	}
	if interval+count != "" && s.Count > 1 && s.Interval == 0 {
		return usageErrorf(cmd, "--count: %d tables of %s need a time between them", s.Count, s.Name).hint("give --interval, too")
	}
	return nil
}

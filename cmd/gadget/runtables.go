package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
)

const sectionTables = "Tables"

// tableFlags are the names of the flags of tableOptions.
var tableFlags = []string{"sort", "max-entries", "interval", "count"}

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
	fs.Var(&o.interval, "interval", "time between two tables; a bare number is seconds; SOURCE:TIME,… for several data sources")
	fs.Var(&o.count, "count", "stop after N tables; SOURCE:N,… for several data sources")
	fs.Lookup("interval").DefValue = g.tableDefaults(defaultInterval)
	fs.Lookup("count").DefValue = g.tableDefaults(defaultCount)
	inSection(fs, sectionTables, tableFlags...)
}

func (g *gadget) hasTables() bool {
	for _, s := range g.plan.Sources {
		if s.Layout.Array {
			return true
		}
	}
	return false
}

// tableDefaults is the default of a flag as it shows in the help: what the gadget
// says of its tables, by data source when they differ.
func (g *gadget) tableDefaults(of func(*plan.Source) string) string {
	values := map[string]bool{}
	var each []string
	for _, s := range g.plan.Sources {
		if s.Layout.Array {
			values[of(s)] = true
			each = append(each, s.Name+":"+of(s))
		}
	}
	if len(values) == 1 {
		_, all, _ := strings.Cut(each[0], ":")
		return all
	}
	return strings.Join(each, ",")
}

func defaultInterval(s *plan.Source) string {
	if s.Interval == 0 {
		return "0"
	}
	return s.Interval.String()
}

func defaultCount(s *plan.Source) string { return strconv.FormatUint(s.Count, 10) }

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

// check finds mistakes before the kernel is asked for anything.
func (o *tableOptions) check(cmd *cobra.Command, g *gadget) error {
	for flag, p := range map[string]*perSource{"sort": &o.sort, "interval": &o.interval, "count": &o.count} {
		if err := p.checkNames(cmd, flag, g); err != nil {
			return err
		}
	}
	if o.maxRows < -1 {
		return usageErrorf(cmd, "--max-entries: %d is less than nothing; 0 shows all rows", o.maxRows)
	}
	for _, s := range g.plan.Sources {
		if _, err := o.order(s, &event.Env{}); err != nil {
			return usageErrorf(cmd, "--sort: %w", err).hint("gadget run %s --help lists the fields", g.name)
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

// schedule puts the times at which tables come into the plan.
func (o *tableOptions) schedule(cmd *cobra.Command, g *gadget) error {
	for _, s := range g.plan.Sources {
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
	}
	return nil
}

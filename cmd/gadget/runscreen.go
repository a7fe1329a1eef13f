package main

import (
	"cmp"
	"context"
	"os"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
)

// clearScreen is the annotation of a data source that wants its pictures to
// replace each other (compat-spec §3.5).
const clearScreen = "cli.clear-screen-before"

// present runs the gadget, on a screen if it has one data source whose pictures
// replace each other and stdout is a terminal to draw on. quit ends the run.
func (o *runOptions) present(ctx context.Context, a *app, ro runner.Options, quit func()) (*runner.Report, error) {
	g := a.gadget
	visible := o.show.visible(g)
	if o.show.noRedraw || !a.term.Redraws || len(visible) != 1 || !o.show.replaces(visible[0]) {
		return runner.Run(ctx, g.plan, ro)
	}
	screen := view.NewScreen(view.ScreenOptions{
		Out: a.out.(*os.File), Keys: a.in, Term: a.term, Messages: a.err, Quit: quit,
	})
	// Also when what is called panics, or when a second signal ends the process.
	defer screen.Close()
	a.last.set(screen.Abandon)
	if a.errTerm().Width > 0 {
		a.log = newLogger(screen.Messages(), a.global)
		ro.Log = a.log
	}
	ro.Encoder = o.onScreen(g, a.term, screen)
	if o.show.isTable(visible[0]) {
		// Keys change the order: rows must all come to the screen.
		ro.Order, ro.MaxRows = nil, 0
	}
	ready := ro.Ready
	ro.Ready = func() {
		ready()
		screen.Open()
	}
	report, err := runner.Run(ctx, g.plan, ro)
	return report, cmp.Or(err, screen.Close())
}

// replaces reports whether the next picture of a data source takes the place of
// the one before: that of a table that comes time and again, unless the gadget says
// otherwise, and that of a drawing when the gadget says so.
func (o *showOptions) replaces(s *plan.Source) bool {
	if s.Metrics != nil {
		series, drawing := o.metricFormats(s)
		return series == modeNone && isText(drawing) && s.Rendering.Layout.Annotations[clearScreen] == "true"
	}
	if !s.Layout.Array || s.Interval == 0 || s.Count == 1 {
		return false
	}
	if o.isTable(s) {
		return s.Layout.Annotations[clearScreen] != "false"
	}
	return isText(o.mode(s)) && s.Layout.Annotations[clearScreen] == "true"
}

// isTable reports whether a data source is shown in columns.
func (o *showOptions) isTable(s *plan.Source) bool {
	return s.Metrics == nil && s.Kind != plan.Rendered && o.mode(s) == modeColumns
}

// onScreen makes encoders that show pictures on a screen.
func (o *runOptions) onScreen(g *gadget, t view.Terminal, screen *view.Screen) func(*plan.Source, *event.Env) (event.Encoder, error) {
	plain := o.show.encoder(g, t)
	return func(s *plan.Source, env *event.Env) (event.Encoder, error) {
		if o.show.isTable(s) {
			columns, err := o.show.columns(s)
			if err != nil {
				return nil, err
			}
			return screen.Table(view.TableOptions{
				Layout: s.Layout, Env: env, Columns: columns, Order: o.tables.sort.value(s.Name), MaxRows: o.tables.maxRows,
			})
		}
		e, err := plain(s, env)
		if e == nil || err != nil {
			return nil, err
		}
		return screen.Text(e), nil
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/internal/detached"
)

// For how long the cost of a run is looked at: once, and by --watch.
const (
	glance     = 200 * time.Millisecond
	watchEvery = 2 * time.Second
)

// answerTime is how long a run may take to answer, beside what it was asked to.
const answerTime = 3 * time.Second

type runListOptions struct {
	output          choice
	quiet, noHeader bool
	watch           bool
}

func listCmd(a *app) *cobra.Command {
	opts := runListOptions{output: oneOf("FORMAT", "columns", "json", "yaml")}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls", "ps"},
		Short:   "List detached runs, and what they cost",
		GroupID: groupRun,
		Long: `List the runs that gadget run --detach has left behind, also those that have ended,
until gadget rm or gadget prune removes them.

EVENTS are those delivered, LOST those lost. CPU% is the processor time of the process and of the
programs in the kernel, in percent of one processor; NS/EVENT the time that programs
ran for each event; MEM the memory of the process and of the maps. The kernel
measures programs only while somebody looks: a moment for a list, all the time with --watch.
With -o json the parts stand by themselves.`,
		Example: `  gadget list
  gadget list --watch
  gadget list -o json | jq -r '.[] | select(.status == "failed") | .error'
  gadget rm $(gadget list -q)`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return runList(cmd.Context(), a, opts) },
	}
	addOutput(cmd, &opts.output)
	fs := a.addRuns(cmd)
	fs.BoolVarP(&opts.quiet, "quiet", "q", false, "print ids only")
	fs.BoolVar(&opts.noHeader, "no-headers", false, "columns without the line of titles")
	fs.BoolVarP(&opts.watch, "watch", "w", false, "list again every two seconds, until Ctrl-C")
	return cmd
}

func runList(ctx context.Context, a *app, opts runListOptions) error {
	if !opts.watch {
		return listOnce(a, opts, glance)
	}
	for ctx.Err() == nil {
		if a.term.Redraws {
			if _, err := io.WriteString(a.out, "\x1b[H\x1b[2J"); err != nil {
				return err
			}
		}
		begin := time.Now()
		// Looking takes most of the time between two lists.
		if err := listOnce(a, opts, watchEvery/2); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(watchEvery - time.Since(begin)):
		}
	}
	return ctx.Err()
}

func listOnce(a *app, opts runListOptions, measure time.Duration) error {
	dir, err := a.runsDir()
	if err != nil {
		return err
	}
	runs, err := dir.List()
	if err != nil {
		return err
	}
	if opts.quiet {
		for _, r := range runs {
			if _, err := fmt.Fprintln(a.out, r.State.ID); err != nil {
				return err
			}
		}
		return nil
	}
	a.askAll(runs, measure)
	list := make([]*detached.State, 0, len(runs))
	for _, r := range runs {
		list = append(list, r.State)
	}
	return a.print(opts.output.String(), list, func(w io.Writer, t view.Terminal) error {
		return writeRuns(w, t, list, opts.noHeader)
	})
}

// askAll puts what the runs answer in the place of what their files say. One that does
// not answer keeps what the file says.
func (a *app) askAll(runs []*detached.Run, measure time.Duration) {
	var asking sync.WaitGroup
	for _, r := range runs {
		if r.State.Status != detached.Running {
			continue
		}
		asking.Go(func() {
			if err := refresh(r, measure); err != nil {
				a.log.Warn(err.Error())
			}
		})
	}
	asking.Wait()
}

// refresh puts what a run answers in the place of what its file says. One that has just
// ended has written what became of it.
func refresh(r *detached.Run, measure time.Duration) error {
	state, err := detached.Ask(r, detached.Request{Do: detached.AskStatus, Measure: int(measure.Milliseconds())}, measure+answerTime)
	if err == nil {
		r.State = state
		return nil
	}
	if again, loadErr := detached.Load(r.Path); loadErr == nil && again.State.Status.Ended() {
		r.State = again.State
		return nil
	}
	return err
}

func writeRuns(w io.Writer, t view.Terminal, list []*detached.State, noHeader bool) error {
	table := view.Table{
		Titles: []string{"id", "name", "gadget", "status", "uptime", "events", "lost", "cpu%", "ns/event", "mem"},
		Right:  map[int]bool{5: true, 6: true, 7: true, 8: true, 9: true},
	}
	failed := slices.ContainsFunc(list, func(s *detached.State) bool { return s.Error != "" })
	if failed {
		table.Titles = append(table.Titles, "why")
	}
	if noHeader {
		table.Titles = nil
	}
	for _, s := range list {
		events, lost := s.Events()
		lostText := fmt.Sprint(lost)
		if slices.ContainsFunc(s.Sources, func(s detached.Source) bool { return s.LossUnknown }) {
			lostText = "unknown"
		}
		cpu, perEvent, memory := "-", "-", "-"
		if c := s.Cost; c != nil {
			if c.ProcessCPU != nil {
				cpu = fmt.Sprintf("%.1f", *c.ProcessCPU+valueOr0(c.ProgramsCPU))
			}
			if c.NsPerEvent != nil {
				perEvent = fmt.Sprintf("%.0f", *c.NsPerEvent)
			}
			memory = size(c.RSS + c.MapMemory)
		}
		id := s.ID[:min(12, len(s.ID))]
		row := []string{id, s.Name, s.Gadget, string(s.Status), shortTime(s.Uptime(time.Now())), fmt.Sprint(events), lostText, cpu, perEvent, memory}
		if failed {
			why, _, _ := strings.Cut(s.Error, "\n")
			row = append(row, why)
		}
		table.Row(row...)
	}
	return table.Write(w, t)
}

func valueOr0(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}

// shortTime is a duration as people say it, "-" for none.
func shortTime(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// findRun is the run that a name or the beginning of an id stands for.
func (a *app) findRun(name string) (*detached.Dir, *detached.Run, error) {
	dir, err := a.runsDir()
	if err != nil {
		return nil, nil, err
	}
	run, err := dir.Find(name)
	var missing *detached.NotFoundError
	if errors.As(err, &missing) {
		f := &fault{code: exitFailure, err: err}
		f.hint("%s", didYouMean("", name, missing.Among))
		return nil, nil, f.hint("gadget list shows the runs of %s", dir.Path())
	}
	return dir, run, err
}

// completeRuns completes names and ids of runs.
func (a *app) completeRuns(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if a.prepare(cmd) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	dir, err := a.runsDir()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	runs, _ := dir.List()
	var words []string
	for _, r := range runs {
		if slices.Contains(args, r.State.Name) || slices.Contains(args, r.State.ID) {
			continue
		}
		words = append(words, r.State.Name+"\t"+string(r.State.Status))
		// Ids are for those who have begun one.
		if word != "" {
			words = append(words, r.State.ID+"\t"+r.State.Name)
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// someRuns wants one run at least.
func someRuns(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return exactArgs("NAME")(cmd, args)
	}
	return nil
}

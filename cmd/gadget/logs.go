package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/internal/detached"
	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/internal/history"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/schemas"
)

// logsOptions choose what is read of a history, and how it is shown.
type logsOptions struct {
	show       showOptions
	tail       int
	since      seconds
	follow     bool
	failOnLoss bool
}

func (o *logsOptions) addTo(a *app, cmd *cobra.Command) {
	o.show.addTo(cmd)
	fs := a.addRuns(cmd)
	fs.IntVar(&o.tail, "tail", -1, "begin with the last `N` events, or tables; 0 leaves out what has been")
	fs.Lookup("tail").DefValue = "all"
	fs.Var(&o.since, "since", "begin with events of so long ago; a bare number is seconds")
	fs.BoolVar(&o.failOnLoss, "fail-on-loss", false, "exit with code 4 when the run has lost events, or this command missed some")
}

func logsCmd(a *app) *cobra.Command {
	opts := &logsOptions{}
	cmd := &cobra.Command{
		Use:     "logs NAME",
		Short:   "Print the events that a detached run has kept",
		GroupID: groupRun,
		Long: `Print the events that a detached run has kept, also when it has ended. They are kept as
they were, so that any format and any filter may be chosen now; without -o and --fields
those of the run count. Neither its image nor its containers need exist any more.

How much is kept is what gadget run --keep said; what has been overwritten since is told
on stderr.`,
		Example: `  gadget logs execs
  gadget logs execs --tail 50 -o json
  gadget logs execs --since 5m -f --filter 'proc.comm == "curl"'`,
		Args:              exactArgs("NAME"),
		ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runLogs(cmd.Context(), a, cmd, args[0], opts)
		},
	}
	opts.addTo(a, cmd)
	cmd.Flags().BoolVarP(&opts.follow, "follow", "f", false, "go on with new events until the run ends")
	return cmd
}

func attachCmd(a *app) *cobra.Command {
	opts := &logsOptions{follow: true}
	cmd := &cobra.Command{
		Use:     "attach NAME",
		Short:   "Print the events of a detached run: those kept, then new ones until it ends",
		GroupID: groupRun,
		Long: `Print the events of a detached run: those that it has kept, then new ones until it ends.
Ctrl-C ends this command and not the run. Any number of them may be attached to a run, each
with a format and filter of its own. One that is slower than the events come misses those that
are overwritten before it reads them; it is told how many, and the run does not wait.`,
		Example: `  gadget attach execs
  gadget attach execs --tail 0 -o jsonl | jq -c .proc`,
		Args:              exactArgs("NAME"),
		ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runLogs(cmd.Context(), a, cmd, args[0], opts)
		},
	}
	opts.addTo(a, cmd)
	return cmd
}

// How often a follower looks for new events, and for the end of the run.
const (
	lookEvery    = 20 * time.Millisecond
	lookForEnd   = 100 * time.Millisecond
	flushHistory = 64 << 10
)

func runLogs(ctx context.Context, a *app, cmd *cobra.Command, name string, opts *logsOptions) error {
	if opts.tail < -1 {
		return usageErrorf(cmd, "--tail: %d is less than nothing; leave it out for all", opts.tail)
	}
	_, run, err := a.findRun(name)
	if err != nil {
		return err
	}
	if err := awaitStart(ctx, run); err != nil {
		return err
	}
	l := &logReader{app: a, opts: opts, run: run}
	if err := l.open(cmd); err != nil {
		return err
	}
	defer l.history.Close()
	if err := l.print(ctx); err != nil {
		return err
	}
	return l.verdict()
}

// awaitStart waits until a run that is being started has attached its programs.
func awaitStart(ctx context.Context, run *detached.Run) error {
	for run.State.Status == detached.Starting {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lookEvery):
		}
		again, err := detached.Load(run.Path)
		if err != nil {
			return fmt.Errorf("run %s has not started: %w", run.State.Name, err)
		}
		run.State = again.State
	}
	return nil
}

// logReader prints the history of a run.
type logReader struct {
	app     *app
	opts    *logsOptions
	run     *detached.Run
	history *history.Reader
	sinks   []history.Sink
	decoder *history.Decoder
	// sums are the encoders that show nothing before their End.
	sums []event.Encoder
	// summed is true when something was added to sums that has not been shown; shown
	// is when they were last.
	summed bool
	shown  time.Time
	from   time.Time
	buf    []byte
	missed uint64
}

// open makes the encoders and filters that the flags, and what the run was started
// with, ask for.
func (l *logReader) open(cmd *cobra.Command) error {
	s := l.run.State
	text, err := os.ReadFile(l.run.Layout())
	if err != nil {
		f := &fault{code: exitFailure, err: fmt.Errorf("run %s has kept no events: %w", s.Name, err)}
		return f.hint("gadget show %s says what is known of it", s.Name)
	}
	description, err := history.ParseDescription(text)
	if err != nil {
		return fmt.Errorf("run %s: %w", s.Name, err)
	}
	p, sources := description.Plan()
	g := &gadget{name: s.Gadget, plan: p, metadata: &schemas.Metadata{}}
	show := &l.opts.show
	show.formats, show.allHidden = g.modes(), g.allHidden()
	for flag, value := range map[string]string{"output": s.Output, "fields": s.Fields} {
		if f := cmd.Flags().Lookup(flag); !f.Changed && value != "" {
			if err := f.Value.Set(value); err != nil {
				return fmt.Errorf("run %s: --%s: %w", s.Name, flag, err)
			}
		}
	}
	if all := show.output.all; all != "" {
		if err := oneOf("", show.formats...).accept(all); err != nil {
			return usageErrorf(cmd, "--output: %w", err)
		}
	}
	if err := show.check(cmd, g); err != nil {
		return err
	}
	env := runner.NewEnv()
	env.BootToWall, env.Vars = description.BootToWall, description.Vars
	encoderOf := show.encoder(g, l.app.term)
	for _, source := range sources {
		if err := l.addSink(source, env, encoderOf); err != nil {
			return err
		}
	}
	l.history, err = history.Open(l.run.History())
	return err
}

func (l *logReader) addSink(s *plan.Source, env *event.Env, encoderOf func(*plan.Source, *event.Env) (event.Encoder, error)) error {
	encoder, err := encoderOf(s, env)
	if err != nil {
		return err
	}
	filter, err := l.opts.show.filter(s, env)
	if err != nil {
		return err
	}
	if encoder != nil && s.Metrics != nil {
		l.sums = append(l.sums, encoder)
	}
	l.sinks = append(l.sinks, history.Sink{Encoder: encoder, Filter: filter, Table: s.Layout.Array && s.Metrics == nil})
	return nil
}

// print prints what is kept, and what comes when that is wanted.
func (l *logReader) print(ctx context.Context) error {
	if l.opts.since > 0 {
		l.from = time.Now().Add(-time.Duration(l.opts.since))
	}
	l.decoder = history.NewDecoder(l.sinks)
	if l.opts.tail >= 0 {
		units, err := l.count(ctx)
		if err != nil {
			return err
		}
		l.decoder.Skip = units - min(units, uint64(l.opts.tail))
	}
	l.each(event.Encoder.Begin)
	for {
		ended := !l.opts.follow || l.hasEnded()
		if err := l.drain(ctx); err != nil {
			return err
		}
		if ended {
			break
		}
		if err := l.showSums(false); err != nil {
			return err
		}
		if err := l.sleep(ctx); err != nil {
			return err
		}
	}
	if err := l.showSums(true); err != nil {
		return err
	}
	l.each(event.Encoder.End)
	return l.flush()
}

// each calls a method of the encoders of streams, whose records all belong together.
func (l *logReader) each(call func(event.Encoder, []byte) []byte) {
	for i, s := range l.sinks {
		if s.Encoder != nil && !s.Table && !l.isSum(i) {
			l.buf = call(s.Encoder, l.buf)
		}
	}
}

func (l *logReader) isSum(i int) bool {
	for _, e := range l.sums {
		if e == l.sinks[i].Encoder {
			return true
		}
	}
	return false
}

// count counts the units that there are now.
func (l *logReader) count(ctx context.Context) (uint64, error) {
	sinks := make([]history.Sink, len(l.sinks))
	for i, s := range l.sinks {
		if sinks[i] = s; s.Encoder != nil {
			sinks[i].Encoder = nothing{}
		}
	}
	counter := history.NewDecoder(sinks)
	for ctx.Err() == nil {
		b, _, err := l.history.Next()
		if errors.Is(err, history.ErrNoMore) {
			l.history.Rewind()
			return counter.Units, nil
		}
		if err == nil && !b.Time.Before(l.from) {
			_, err = counter.Decode(nil, b)
		}
		if err != nil {
			return 0, fmt.Errorf("run %s: %w", l.run.State.Name, err)
		}
	}
	return 0, context.Cause(ctx)
}

// nothing is an encoder without a text.
type nothing struct{}

func (nothing) Begin(dst []byte) []byte                   { return dst }
func (nothing) Append(dst []byte, _ *event.Record) []byte { return dst }
func (nothing) End(dst []byte) []byte                     { return dst }

// drain prints all that there is now.
func (l *logReader) drain(ctx context.Context) error {
	for ctx.Err() == nil {
		b, missed, err := l.history.Next()
		if errors.Is(err, history.ErrNoMore) {
			return l.flush()
		}
		if err == nil {
			l.tellMissed(missed)
			if b.Time.Before(l.from) {
				continue
			}
			l.summed = len(l.sums) > 0
			l.buf, err = l.decoder.Decode(l.buf, b)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("run %s: %w", l.run.State.Name, err), l.flush())
		}
		if len(l.buf) >= flushHistory {
			if err := l.flush(); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// tellMissed says what was overwritten before it was read: before the first event that
// is there, nobody could have read it.
func (l *logReader) tellMissed(n uint64) {
	if n == 0 {
		return
	}
	if first := l.missed == 0 && l.decoder.Units == 0; !first {
		l.missed += n
		l.app.log.Warn(fmt.Sprintf("missed %d events: they were overwritten before they were read", n), "run", l.run.State.Name)
	} else if l.opts.tail < 0 && l.opts.since == 0 {
		l.app.notice(fmt.Sprintf("the oldest %d events of %s have been overwritten; gadget run --keep says how much is kept", n, l.run.State.Name))
	}
}

// showSums shows what sums have come to, when there is news: at the end, or once in a while.
func (l *logReader) showSums(last bool) error {
	if !l.summed || !last && time.Since(l.shown) < runner.DefaultPrintInterval {
		return nil
	}
	l.summed, l.shown = false, time.Now()
	for _, e := range l.sums {
		l.buf = e.End(l.buf)
	}
	return l.flush()
}

func (l *logReader) flush() error {
	if len(l.buf) == 0 {
		return nil
	}
	_, err := l.app.out.Write(l.buf)
	l.buf = l.buf[:0]
	return err
}

// hasEnded reports whether nothing more will be written.
func (l *logReader) hasEnded() bool {
	again, err := detached.Load(l.run.Path)
	if err != nil {
		// It was removed; what is open can still be read.
		l.run.State.Status = detached.Stopped
		return true
	}
	l.run.State = again.State
	return again.State.Status.Ended()
}

// sleep waits until it is time to look for the end of the run, or there is something to
// read.
func (l *logReader) sleep(ctx context.Context) error {
	before, err := l.history.Stats()
	for end := time.Now().Add(lookForEnd); err == nil && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lookEvery):
		}
		var now history.Stats
		if now, err = l.history.Stats(); now.Records != before.Records {
			return nil
		}
	}
	return err
}

// verdict is what the end of the run means for who has read all of it.
func (l *logReader) verdict() error {
	s := l.run.State
	_, lost := s.Events()
	switch {
	case l.opts.failOnLoss && lost+l.missed > 0:
		f := &fault{code: exitLoss, err: errors.New("events were lost")}
		return f.hint("%d by the run, %d because they were overwritten before they were read", lost, l.missed)
	case l.opts.follow && s.Status == detached.Failed:
		code := exitFailure
		if c := s.ExitedWith(); c > 0 {
			code = exitCode(c)
		}
		f := &fault{code: code, err: fmt.Errorf("run %s has failed: %s", s.Name, s.Error)}
		return f.hint("gadget show %s says more", s.Name)
	}
	return nil
}

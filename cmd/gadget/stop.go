package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/internal/detached"
)

type stopOptions struct {
	timeout seconds
	force   bool
}

func stopCmd(a *app) *cobra.Command {
	opts := stopOptions{timeout: seconds(30 * time.Second)}
	cmd := &cobra.Command{
		Use:     "stop NAME…",
		Short:   "End detached runs; what they have gathered is kept",
		GroupID: groupRun,
		Long: `End detached runs, and wait until they have. Programs are detached first, then what
is in flight and what is gathered at the end goes to the history and to everybody who is
attached. gadget logs shows it until gadget rm removes the run.`,
		Example: `  gadget stop execs
  gadget stop $(gadget list -q)
  gadget stop --force execs`,
		Args:              someRuns,
		ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			return eachRun(a, args, func(_ *detached.Dir, r *detached.Run) error {
				return a.stopRun(cmd.Context(), r, opts)
			})
		},
	}
	fs := a.addRuns(cmd)
	fs.Var(&opts.timeout, "timeout", "how long to wait for the end; a bare number is seconds")
	fs.BoolVar(&opts.force, "force", false, "kill a run that has not ended by then; what is in flight is lost")
	return cmd
}

// eachRun does something to all runs that are named: one that fails does not keep the
// others.
func eachRun(a *app, names []string, do func(*detached.Dir, *detached.Run) error) error {
	var errs []error
	for _, name := range names {
		dir, run, err := a.findRun(name)
		if err == nil {
			err = do(dir, run)
		}
		if err == nil {
			_, err = fmt.Fprintln(a.out, name)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// stopRun ends a run and waits for it. One that has ended is left as it is.
func (a *app) stopRun(ctx context.Context, r *detached.Run, opts stopOptions) error {
	if r.State.Status.Ended() {
		return nil
	}
	wait := max(time.Duration(opts.timeout), time.Millisecond)
	asked := make(chan error, 1)
	go func() {
		_, err := detached.Ask(r, detached.Request{Do: detached.AskStop}, wait)
		asked <- err
	}()
	var err error
	select {
	case err = <-asked:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	// The answer comes a moment before the process is gone.
	for end := time.Now().Add(answerTime); err == nil && r.State.Process.Alive() && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	again, loadErr := detached.Load(r.Path)
	switch {
	case loadErr != nil:
		return loadErr
	case again.State.Status.Ended():
		r.State = again.State
		return nil
	case opts.force:
		return killRun(r)
	case errors.Is(err, os.ErrDeadlineExceeded):
		f := &fault{code: exitFailure, err: fmt.Errorf("run %s has not ended after %s", r.State.Name, &opts.timeout)}
		return f.hint("wait longer with --timeout, or kill it: gadget stop --force %s", r.State.Name)
	case err == nil:
		err = fmt.Errorf("run %s has not ended", r.State.Name)
	}
	f := &fault{code: exitFailure, err: err}
	return f.hint("kill it: gadget stop --force %s", r.State.Name)
}

// killRun ends a run at once, and waits until its process is gone.
func killRun(r *detached.Run) error {
	if err := r.State.Process.Kill(); err != nil {
		return err
	}
	for end := time.Now().Add(answerTime); r.State.Process.Alive(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("run %s: process %d does not go away", r.State.Name, r.State.Process.PID)
		}
	}
	return nil
}

func rmCmd(a *app) *cobra.Command {
	force := false
	cmd := &cobra.Command{
		Use:     "rm NAME…",
		Aliases: []string{"delete", "remove"},
		Short:   "Remove detached runs that have ended, with their history",
		GroupID: groupRun,
		Example: `  gadget rm execs
  gadget rm --force execs`,
		Args:              someRuns,
		ValidArgsFunction: a.completeRuns,
		RunE: func(cmd *cobra.Command, args []string) error {
			return eachRun(a, args, func(dir *detached.Dir, r *detached.Run) error {
				if !r.State.Status.Ended() && !force {
					f := &fault{code: exitFailure, err: fmt.Errorf("run %s is %s", r.State.Name, r.State.Status)}
					return f.hint("gadget stop %s ends it, gadget rm --force does both", r.State.Name)
				}
				if err := a.stopRun(cmd.Context(), r, stopOptions{timeout: seconds(10 * time.Second), force: true}); err != nil {
					return err
				}
				return dir.Remove(r)
			})
		},
	}
	a.addRuns(cmd).BoolVarP(&force, "force", "f", false, "stop those that go on; kill those that do not stop in ten seconds")
	return cmd
}

func pruneCmd(a *app) *cobra.Command {
	dryRun := false
	cmd := &cobra.Command{
		Use:     "prune",
		Short:   "Remove all detached runs that have ended",
		GroupID: groupRun,
		Example: `  gadget prune --dry-run
  gadget prune`,
		Args: exactArgs(),
		RunE: func(*cobra.Command, []string) error {
			dir, err := a.runsDir()
			if err != nil {
				return err
			}
			runs, err := dir.List()
			if err != nil {
				return err
			}
			for _, r := range runs {
				if !r.State.Status.Ended() {
					continue
				}
				if !dryRun {
					if err := dir.Remove(r); err != nil {
						return err
					}
				}
				if _, err := fmt.Fprintln(a.out, r.State.Name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	a.addRuns(cmd).BoolVar(&dryRun, "dry-run", false, "print what would be removed")
	return cmd
}

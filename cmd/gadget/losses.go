package main

import (
	"errors"
	"fmt"

	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner"
)

// lostWords says what n losses of a data source are.
func lostWords(s *plan.Source, n uint64) string {
	if s.Kind == plan.MapIterator {
		return fmt.Sprintf("lost %d updates: map %s was full", n, s.Map)
	}
	return fmt.Sprintf("lost %d events", n)
}

// account tells what became of the events, and turns loss into a fault where that
// was asked for.
func (a *app) account(p *plan.Plan, report *runner.Report, err error, opts *runOptions) error {
	var verifier *runner.VerifierError
	if errors.As(err, &verifier) {
		return a.verifierFault(verifier, opts.verifier)
	}
	if report == nil {
		return err
	}
	unknown := false
	for _, s := range report.Sources {
		produced := s.Delivered + s.Filtered + s.Lost
		source := p.Source(s.Name)
		switch {
		case s.LossUnknown:
			unknown = true
			a.log.Info("loss unknown: the gadget does not count it", "source", s.Name, "delivered", s.Delivered, "filtered", s.Filtered)
		case s.Lost > 0 && source.Kind == plan.MapIterator:
			a.log.Warn(lostWords(source, s.Lost), "source", s.Name)
		case s.Lost > 0:
			a.log.Warn(fmt.Sprintf("lost %d of %d events", s.Lost, produced), "source", s.Name)
		default:
			a.log.Info(fmt.Sprintf("lost 0 of %d events", produced), "source", s.Name, "delivered", s.Delivered, "filtered", s.Filtered)
		}
	}
	for _, m := range report.Missed {
		a.log.Warn(fmt.Sprintf("program %s was skipped %d times: the kernel had it running on the same CPU", m.Program, m.Times), "section", m.Section)
	}
	switch {
	case err != nil || !opts.failOnLoss:
		return err
	case report.Lost() > 0:
		return lossFault(p, report, opts)
	case len(report.Missed) > 0:
		return &fault{code: exitLoss, err: errors.New("events may be missing: the kernel skipped programs")}
	case unknown:
		f := &fault{code: exitLoss, err: errors.New("nobody can tell whether events were lost: the gadget does not count them")}
		return f.hint("run without --fail-on-loss")
	}
	return nil
}

// lossFault says what helps against the losses of a run.
func lossFault(p *plan.Plan, report *runner.Report, opts *runOptions) error {
	f := &fault{code: exitLoss, err: errors.New("events were lost")}
	streams := false
	for _, s := range report.Sources {
		source := p.Source(s.Name)
		switch {
		case s.Lost == 0:
		case source.Kind == plan.MapIterator:
			f.hint("%s", moreRoom(p, source.Map))
		default:
			streams = true
		}
	}
	if streams {
		f.hint("a larger --buffer-size than %s, a filter in the gadget or fewer containers help", &opts.bufferSize)
	}
	return f
}

// moreRoom says what helps when a map is full.
func moreRoom(p *plan.Plan, name string) string {
	const others = "a shorter --interval, a filter in the gadget or fewer containers help"
	if param := p.SizeParam(name); param != nil {
		return fmt.Sprintf("a larger --%s, %s", param.Key, others)
	}
	return others
}

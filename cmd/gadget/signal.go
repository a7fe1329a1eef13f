package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// errInterrupted is the cause of a context that a signal cancelled.
var errInterrupted = errors.New("interrupted")

// lastWish is what has to be done before the process ends at once, such as to put a
// terminal right, and whether it is to end at all. A nil one has nothing to do.
type lastWish struct {
	do   atomic.Pointer[func()]
	held atomic.Bool
}

// hold makes signals end nothing while it is true: they are for somebody else.
func (w *lastWish) hold(on bool) {
	if w != nil {
		w.held.Store(on)
	}
}

// awaits receives a signal that is meant for this process.
func (w *lastWish) awaits(signals <-chan os.Signal) {
	for range signals {
		if w == nil || !w.held.Load() {
			return
		}
	}
}

func (w *lastWish) set(do func()) {
	if w != nil {
		w.do.Store(&do)
	}
}

func (w *lastWish) fulfil() {
	if do := w.do.Load(); do != nil {
		(*do)()
	}
}

// signalContext returns a context that the first SIGINT or SIGTERM cancels, with
// cause errInterrupted; the second one ends the process at once, for a stop that
// hangs. SIGPIPE is ignored, so that a closed pipe is an EPIPE of the writer.
func signalContext(parent context.Context, last *lastWish) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		last.awaits(signals)
		cancel(errInterrupted)
		last.awaits(signals)
		last.fulfil()
		os.Exit(int(exitInterrupted))
	}()
	return ctx, func() { cancel(nil) }
}

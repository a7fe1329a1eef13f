package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// errInterrupted is the cause of a context that a signal cancelled.
var errInterrupted = errors.New("interrupted")

// signalContext returns a context that the first SIGINT or SIGTERM cancels, with
// cause errInterrupted; the second one ends the process at once, for a stop that
// hangs. SIGPIPE is ignored, so that a closed pipe is an EPIPE of the writer.
func signalContext(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		<-signals
		cancel(errInterrupted)
		<-signals
		os.Exit(int(exitInterrupted))
	}()
	return ctx, func() { cancel(nil) }
}

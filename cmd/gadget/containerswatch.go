package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
	"github.com/gadget-bpf/gadget/runner"
	"github.com/gadget-bpf/gadget/runner/container"
)

// eventWidth is that of the column with what has happened to a container.
const eventWidth = 9

// watchContainers prints containers as they come and go, until ctx ends.
func (a *app) watchContainers(ctx context.Context, o container.Options, format string) error {
	if err := runner.MayLoad(); err != nil {
		return err
	}
	feed := newContainerNews()
	o.Event = feed.push
	w, err := container.Start(ctx, o)
	if err != nil {
		return fmt.Errorf("watch containers: %w", err)
	}
	write, err := a.newsWriter(format)
	if err == nil {
		err = feed.deliver(ctx, write)
	}
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	return err
}

// containerNews holds what has happened until it is printed: who tells it must not
// be made to wait.
type containerNews struct {
	mu    sync.Mutex
	queue []containerView
	wake  chan struct{}
}

func newContainerNews() *containerNews { return &containerNews{wake: make(chan struct{}, 1)} }

func (n *containerNews) push(e container.Event) {
	v := viewContainer(e.Container)
	v.Event = e.Kind.String()
	n.mu.Lock()
	n.queue = append(n.queue, v)
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// deliver writes what comes until ctx ends.
func (n *containerNews) deliver(ctx context.Context, write func(*containerView) error) error {
	for {
		n.mu.Lock()
		batch := n.queue
		n.queue = nil
		n.mu.Unlock()
		for i := range batch {
			if err := write(&batch[i]); err != nil {
				return err
			}
		}
		select {
		case <-n.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// newsWriter makes the function that prints one event: a line of JSON, a document
// of YAML, what a template makes, or a row.
func (a *app) newsWriter(format string) (func(*containerView) error, error) {
	if text, ok := strings.CutPrefix(format, goTemplate); ok {
		t, err := parseTemplate(text)
		return func(v *containerView) error { return writeTemplate(a.out, t, v) }, err
	}
	switch format {
	case "json":
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		return func(v *containerView) error { return e.Encode(v) }, nil
	case "yaml":
		return func(v *containerView) error {
			if _, err := io.WriteString(a.out, "---\n"); err != nil {
				return err
			}
			return view.WriteYAML(a.out, v)
		}, nil
	}
	titles := make([]string, len(containerTitles))
	for i, c := range containerTitles {
		titles[i] = strings.ToUpper(c.title)
	}
	_, err := fmt.Fprintln(a.out, a.term.Bold(newsLine("EVENT", titles)))
	return func(v *containerView) error {
		_, err := fmt.Fprintln(a.out, newsLine(v.Event, v.cells()))
		return err
	}, err
}

// newsLine is a row of a stream.
func newsLine(event string, cells []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s", eventWidth, event)
	for i, c := range cells {
		fmt.Fprintf(&b, "  %-*s", containerTitles[i].width, view.Safe(c))
	}
	return strings.TrimRight(b.String(), " ")
}

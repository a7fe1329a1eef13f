package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
)

// levelNotice is for what people should see and what is no warning: it comes
// without a word before it.
const levelNotice = slog.LevelInfo + 1

// newLogger returns the logger for words on stderr: notices and worse by default,
// more with -v, only errors with -q.
func newLogger(w io.Writer, g globalOptions) *slog.Logger {
	level := levelNotice
	switch {
	case g.quiet:
		level = slog.LevelError
	case g.verbose > 1:
		level = slog.LevelDebug
	case g.verbose == 1:
		level = slog.LevelInfo
	}
	if g.logFormat.String() == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(&wordHandler{w: w, level: level, mu: &sync.Mutex{}})
}

// notice tells a person something in one sentence, without a word before it.
func (a *app) notice(text string) { a.log.Log(context.Background(), levelNotice, text) }

// wordHandler writes records as sentences for a person:
//
//	warning: lost 12 events source=exec
type wordHandler struct {
	w     io.Writer
	level slog.Level
	mu    *sync.Mutex
	group string // prefix of attribute keys, with its dot
	attrs string // ready text of the attributes bound so far
}

// Enabled implements slog.Handler.
func (h *wordHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// Handle implements slog.Handler.
func (h *wordHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString("error: ")
	case r.Level >= slog.LevelWarn:
		b.WriteString("warning: ")
	case r.Level < slog.LevelInfo:
		b.WriteString("debug: ")
	}
	b.WriteString(view.SafeText(r.Message))
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		appendAttr(&b, h.group, a)
		return true
	})
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.w, b.String())
	return err
}

// WithAttrs implements slog.Handler.
func (h *wordHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		appendAttr(&b, h.group, a)
	}
	next := *h
	next.attrs += b.String()
	return &next
}

// WithGroup implements slog.Handler.
func (h *wordHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.group += name + "."
	return &next
}

func appendAttr(b *strings.Builder, group string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			group += a.Key + "."
		}
		for _, m := range v.Group() {
			appendAttr(b, group, m)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	text := view.Safe(v.String())
	if text == "" || strings.ContainsAny(text, " \"=") {
		text = fmt.Sprintf("%q", text)
	}
	fmt.Fprintf(b, " %s%s=%s", group, a.Key, text)
}

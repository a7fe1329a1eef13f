// Package view draws what people look at: terminals and their colours, tables,
// and text that is safe to print.
package view

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// Terminal says how to write to a stream. The zero value is a plain file: no
// colour, no width.
type Terminal struct {
	// Width in cells; 0 when the stream is not a terminal, so nothing is cut.
	Width int
	// Color is true when escape sequences for colour may be written, Redraws when
	// those that move the cursor may.
	Color, Redraws bool
}

// Detect looks at the stream w. color is auto, always or never; env looks up an
// environment variable. Honoured are NO_COLOR, CLICOLOR_FORCE, TERM and COLUMNS.
func Detect(w io.Writer, color string, env func(string) (string, bool)) Terminal {
	var t Terminal
	tty := false
	kind, _ := env("TERM")
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		tty = true
		t.Width = 80
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			t.Width = width
		}
		if c, ok := env("COLUMNS"); ok {
			if n, err := strconv.Atoi(c); err == nil && n > 0 {
				t.Width = n
			}
		}
	}
	t.Color = wantsColor(color, tty, env)
	t.Redraws = tty && kind != "" && kind != "dumb"
	return t
}

func wantsColor(color string, tty bool, env func(string) (string, bool)) bool {
	switch color {
	case "always":
		return true
	case "never":
		return false
	}
	if v, _ := env("NO_COLOR"); v != "" {
		return false
	}
	if v, _ := env("CLICOLOR_FORCE"); v != "" && v != "0" {
		return true
	}
	if v, _ := env("TERM"); v == "dumb" {
		return false
	}
	return tty
}

// Bold returns s in bold where colour is allowed.
func (t Terminal) Bold(s string) string { return t.paint("1", s) }

// Dim returns s in a fainter shade where colour is allowed.
func (t Terminal) Dim(s string) string { return t.paint("2", s) }

// Red returns s in red where colour is allowed.
func (t Terminal) Red(s string) string { return t.paint("1;31", s) }

// Green is for what went well.
func (t Terminal) Green(s string) string { return t.paint("32", s) }

// Yellow returns s in yellow where colour is allowed.
func (t Terminal) Yellow(s string) string { return t.paint("33", s) }

// Cyan returns s in cyan where colour is allowed.
func (t Terminal) Cyan(s string) string { return t.paint("36", s) }

func (t Terminal) paint(code, s string) string {
	if !t.Color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

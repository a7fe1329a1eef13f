package main

import (
	"strings"
	"testing"
)

func TestImageOf(t *testing.T) {
	for line, want := range map[string]string{
		"run trace_open":                          "trace_open",
		"run --host -t 5 trace_open --failed x":   "trace_open",
		"--store /x run -o json ghcr.io/acme/a:1": "ghcr.io/acme/a:1",
		"-v run -c web --verify-image=false a":    "a",
		"run":                                     "",
		"run --help":                              "",
		"run --nonsense a":                        "",
		"image build x":                           "",
		"nonsense":                                "",
		"":                                        "",
	} {
		if got := imageOf(strings.Fields(line)); got != want {
			t.Errorf("%q runs %q, want %q", line, got, want)
		}
	}
}

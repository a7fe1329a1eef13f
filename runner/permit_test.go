package runner

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
)

// TestPermit checks which programs are given up when nothing is allowed, and what
// is said of it.
func TestPermit(t *testing.T) {
	dir := t.TempDir()
	source := `#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
SEC("raw_tp/a") int strikes(void *ctx) { return bpf_send_signal(9); }
SEC("raw_tp/b") int watches(void *ctx) { return 0; }
SEC("lsm/file_open") int denies(void *ctx) { return 0; }
`
	if err := os.WriteFile(filepath.Join(dir, "program.bpf.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	object := gadgettest.Object(t, dir)
	const (
		strikes = `program strikes (SEC "raw_tp/a") could send signals to processes: it calls bpf_send_signal at program.bpf.c:3`
		denies  = `program denies (SEC "lsm/file_open") could deny what it watches`
		without = "going without a program that is not allowed to change the system: " + strikes
	)
	tests := []struct {
		name, yaml string
		allow      bool
		refused    bool
		used       string
		notices    []string
	}{
		{name: "needed", refused: true, notices: []string{denies}},
		{name: "allowed", allow: true, used: "strikes watches denies", notices: []string{denies}},
		{name: "optional", yaml: "strikes: {optional: true}", used: "watches denies", notices: []string{denies, without}},
		{name: "alternative", yaml: "g: {alternatives: [strikes, watches]}", used: "watches denies", notices: []string{denies, without}},
		{name: "only alternative", yaml: "g: {alternatives: [strikes]}", refused: true, notices: []string{denies}},
		{name: "optional group", yaml: "g: {alternatives: [strikes], optional: true}", used: "watches denies", notices: []string{denies, without}},
		{name: "never wanted", yaml: "strikes: {when: false}", refused: true, notices: []string{denies}},
		{name: "disabled", yaml: "strikes: {attach_to: gadget_program_disabled}, denies: {attach_to: gadget_program_disabled}", used: "watches"},
		{name: "alone", yaml: "watches: {attach_to: gadget_program_disabled}, denies: {attach_to: gadget_program_disabled}, strikes: {optional: true}", refused: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newChoice(planObject(t, object, "programs: {"+tt.yaml+"}"), slog.New(slog.DiscardHandler))
			var notices []string
			err := c.permit(&Options{AllowChange: tt.allow, Notice: func(s string) { notices = append(notices, s) }})
			var change *ChangeError
			switch {
			case errors.As(err, &change) != tt.refused, err != nil && !tt.refused:
				t.Errorf("error %v", err)
			case tt.refused && err.Error() != strikes:
				t.Errorf("error %q", err)
			}
			if got := strings.Join(notices, "\n"); got != strings.Join(tt.notices, "\n") {
				t.Errorf("notices\n%s", got)
			}
			if tt.refused {
				return
			}
			var used []string
			for _, name := range []string{"strikes", "watches", "denies"} {
				if c.uses(name) {
					used = append(used, name)
				}
			}
			if got := strings.Join(used, " "); got != tt.used {
				t.Errorf("%s is used, want %s", got, tt.used)
			}
		})
	}
}

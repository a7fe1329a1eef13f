package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/internal/testterminal"
	"github.com/gadget-bpf/gadget/registry"
)

// blank is what Shows wants of an empty terminal: it drops a first line break.
const blank = "\n\n"

// TestProgress shows how far a copy is: in a line that changes, cut to the terminal
// and gone at the end; in lines on a terminal that cannot redraw; or not at all.
func TestProgress(t *testing.T) {
	half := registry.Progress{Descriptor: ocispec.Descriptor{Digest: "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", Size: 2000}, Bytes: 1000, Blobs: 4, Total: 9000}
	whole := half
	whole.Bytes, whole.Done = 2000, true
	for name, tt := range map[string]struct {
		term  string
		quiet bool
		width int
		begun string
		end   string
	}{
		"redraws": {"xterm", false, 60, "pull x: 0 of 4 parts, 1.0 kB of 9.0 kB\n", blank},
		"narrow":  {"xterm", false, 20, "pull x: 0 of 4 part\n", blank},
		"dumb":    {"dumb", false, 60, blank, "pull x: sha256:2d711642b726 2.0 kB\n"},
		"quiet":   {"xterm", true, 60, blank, blank},
	} {
		t.Run(name, func(t *testing.T) {
			term := testterminal.New(t, tt.width, 5)
			a := &app{streams: streams{out: io.Discard, err: term.Device, env: func(name string) (string, bool) { return tt.term, name == "TERM" }}}
			a.global.quiet = tt.quiet
			p := a.newProgress("pull x")
			p.tell(half)
			term.Shows(tt.begun)
			p.tell(whole)
			p.end()
			term.Shows(tt.end)
			if state := term.State(); !state.Wraps || !state.Cursor || tt.begun == blank && state.Controls > 0 {
				t.Errorf("the terminal is now %+v", state)
			}
		})
	}
}

// TestProgressOfVerbs runs every verb that moves images on a terminal: nothing is left
// there but what was told, and with -q nothing is written at all.
func TestProgressOfVerbs(t *testing.T) {
	remote := newRegistry()
	remote.Start()
	defer remote.Close()
	image, dir := remote.Listener.Addr().String()+"/acme/snoop:v1", t.TempDir()
	gadget := func(term *testterminal.Terminal, args ...string) string {
		t.Helper()
		cmd := exec.Command("gadget", args...)
		cmd.Env, cmd.Dir = append(os.Environ(), "GADGET_STORE="+filepath.Join(dir, "store"), "TERM=xterm", "NO_COLOR=1"), dir
		if term != nil {
			cmd.Stderr = term.Device
		}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gadget %v: %v", args, err)
		}
		return string(out)
	}
	snoop, err := filepath.Abs("testdata/gadgets/snoop")
	if err != nil {
		t.Fatal(err)
	}
	name := gadget(nil, "image", "build", "-t", image, snoop)
	if !strings.HasPrefix(name, image+"@sha256:") {
		t.Fatalf("built %q", name)
	}
	for _, args := range [][]string{
		{"push", image}, {"pull", image}, {"image", "copy", image, "oci:dir"}, {"image", "save", "-o", "f.tar", image}, {"image", "load", "-i", "f.tar"},
	} {
		shown, quiet := testterminal.New(t, 60, 5), testterminal.New(t, 60, 5)
		for _, out := range []string{gadget(shown, args...), gadget(quiet, append(args, "-q")...)} {
			if out != name {
				t.Errorf("gadget %v: stdout is %q, want %q", args, out, name)
			}
		}
		shown.Shows(blank)
		quiet.Shows(blank)
		if s, q := shown.State().Controls, quiet.State().Controls; s == 0 || q > 0 {
			t.Errorf("gadget %v: %d control codes, with -q %d", args, s, q)
		}
	}
}

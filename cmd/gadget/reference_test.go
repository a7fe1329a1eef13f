package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
)

const referenceDir = "../../docs/cli"

// TestReference compares docs/cli with the commands; `make docs` writes it anew.
func TestReference(t *testing.T) {
	a := &app{streams: streams{out: io.Discard, err: io.Discard, env: func(string) (string, bool) { return "", false }}}
	want := reference(rootCmd(a))
	if *update {
		if err := os.RemoveAll(referenceDir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(referenceDir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(referenceDir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	got := map[string]string{}
	files, err := os.ReadDir(referenceDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(referenceDir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[f.Name()] = string(text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/cli is not what the commands say (-commands +docs/cli); run: make docs\n%s", diff)
	}
}

// TestExamples wants an example and a short sentence for every verb.
func TestExamples(t *testing.T) {
	a := &app{}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short text %q is missing or ends in a stop", cmd.CommandPath(), cmd.Short)
		}
		if cmd.Runnable() && !strings.Contains(cmd.Example, "gadget ") {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(rootCmd(a))
}

// reference is the text of docs/cli: a page for every verb and topic, by file name.
func reference(root *cobra.Command) map[string]string {
	pages := map[string]string{}
	var index strings.Builder
	index.WriteString("# Command line reference\n\nMade from the commands by `make docs`.\n\n| | |\n| --- | --- |\n")
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Hidden {
			return
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "_") + ".md"
		cmd.InitDefaultHelpFlag()
		pages[name] = referencePage(cmd)
		fmt.Fprintf(&index, "| [%s](%s) | %s |\n", cmd.CommandPath(), name, cmd.Short)
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	root.InitDefaultHelpCmd()
	walk(root)
	pages["README.md"] = index.String()
	return pages
}

func referencePage(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n```text\n%s```\n", cmd.CommandPath(), helpText(cmd, view.Terminal{}))
	if cmd.HasParent() {
		parent := cmd.Parent().CommandPath()
		fmt.Fprintf(&b, "\nPart of [%s](%s.md).\n", parent, strings.ReplaceAll(parent, " ", "_"))
	}
	return b.String()
}

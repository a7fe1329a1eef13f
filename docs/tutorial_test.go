//go:build tutorial

package docs

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

var binary = flag.String("gadget", "", "the gadget binary to follow the tutorial with")

// block is a fenced block of a page.
var block = regexp.MustCompile("(?s)```(sh|text)\n(.*?)```")

// TestTutorial types all commands of the tutorial into one shell, in order, and
// expects each to succeed and to say what the page shows.
func TestTutorial(t *testing.T) {
	if *binary == "" {
		t.Fatal("no binary: run make test-full, or go test -tags tutorial -args -gadget FILE")
	}
	page, err := os.ReadFile("tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(new(bytes.Buffer), "", 0))))
	defer server.Close()
	dir := t.TempDir()
	if err := os.Symlink(*binary, filepath.Join(dir, "gadget")); err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir, "GADGET_STORE="+filepath.Join(dir, "store"),
		"REGISTRY="+strings.TrimPrefix(server.URL, "http://")+"/me")
	said := ""
	for i, m := range block.FindAllStringSubmatch(string(page), -1) {
		kind, text := m[1], m[2]
		if kind == "text" {
			for line := range strings.Lines(text) {
				if line = strings.TrimRight(line, "\n"); !strings.Contains(said, line) {
					t.Errorf("block %d: %q is not in\n%s", i, line, said)
				}
			}
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		// Each block runs where the last one ended.
		where := filepath.Join(dir, ".where")
		script := fmt.Sprintf("set -euo pipefail\ncd \"$(cat %[1]s 2>/dev/null || echo %[2]s)\"\n%[3]s\npwd >%[1]s\n", where, dir, text)
		cmd := exec.CommandContext(ctx, "bash", "-c", script)
		cmd.Env, cmd.Dir = env, dir
		out, err := cmd.CombinedOutput()
		cancel()
		said = string(out)
		t.Logf("%s\n%s", text, said)
		if err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
	}
}

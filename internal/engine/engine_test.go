package engine

import (
	"context"
	"os"
	"strings"
	"testing"
)

func TestEngine(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	ctx := context.Background()
	e, err := Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dir := e.dir
	out, err := e.Run(ctx, "once", "echo", "hello")
	if err != nil || out != "hello" {
		t.Errorf("Run: %q, %v", out, err)
	}
	id, err := e.Keep(ctx, "web")
	if err != nil || len(id) != 64 {
		t.Errorf("Keep: %q, %v", id, err)
	}
	if out, err = e.Exec(ctx, "web", "cat", "/proc/1/comm"); err != nil || out != "sleep" {
		t.Errorf("Exec: %q, %v", out, err)
	}
	if _, err = e.Exec(ctx, "web", "cat", "/none"); err == nil || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("Exec of a command that fails: %v", err)
	}
	if err := e.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

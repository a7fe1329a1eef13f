package gadgets_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/schemas"
)

// untested are gadgets that have no gadget_test.yaml, with the reason.
var untested = map[string]string{
	"top_cpu_throttle": "needs the processor controller of cgroup v2; the kernel guests have it",
	"trace_oomkill":    "needs a limit of memory; Go code tests it in a container",
	"profile_blockio":  "needs a block device; Go code tests it with one of its own",
	"top_file":         "Go code tests it, with exact counts",
}

// TestHaveTests checks that gadget test can test each gadget. The privileged tests
// of the command run them.
func TestHaveTests(t *testing.T) {
	dirs, err := filepath.Glob("*/gadget.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no gadgets", err)
	}
	for _, d := range dirs {
		name := filepath.Dir(d)
		file := filepath.Join(name, schemas.DefaultTestFile)
		text, err := os.ReadFile(file)
		if _, ok := untested[name]; ok == (err == nil) {
			t.Errorf("%s: tests and list of untested gadgets disagree", name)
		}
		if err != nil {
			continue
		}
		if _, problems, err := schemas.ParseTests(file, text); err != nil || len(problems) > 0 {
			t.Errorf("%v %v", problems, err)
		}
	}
}

// The list of gadgets has all of them.
func TestGadgetsAreListed(t *testing.T) {
	list, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob("*/gadget.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no gadgets: %v", err)
	}
	for _, d := range dirs {
		name := filepath.Dir(d)
		if !strings.Contains(string(list), "["+name+"]("+name+"/README.md)") {
			t.Errorf("README.md does not list %s", name)
		}
	}
}

package docs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gadget-bpf/gadget/builder"
)

// maxChanged is how many new or other lines a program may need to become a gadget.
const maxChanged = 20

// TestPorting checks that the program of the page compiles before and after, and
// that the page shows all that was changed.
func TestPorting(t *testing.T) {
	const before, after = "examples/porting/before.bpf.c", "examples/porting/slowsync/program.bpf.c"
	for _, file := range []string{before, after} {
		var stderr bytes.Buffer
		if _, err := builder.Compile(t.Context(), file, "linux/amd64", builder.Options{Stderr: &stderr}); err != nil || stderr.Len() > 0 {
			t.Errorf("%v\n%s", err, &stderr)
		}
	}
	page, err := os.ReadFile("porting.md")
	if err != nil {
		t.Fatal(err)
	}
	diff, err := exec.Command("diff", "-U1", before, after).Output()
	if len(diff) == 0 {
		t.Fatal("no difference", err)
	}
	added, removed := 0, 0
	for i, line := range strings.Split(string(diff), "\n") {
		switch {
		case i < 2: // the names of the files
		case !strings.Contains(string(page), line):
			t.Errorf("porting.md does not show %q", line)
		case strings.HasPrefix(line, "+"):
			added++
		case strings.HasPrefix(line, "-"):
			removed++
		}
	}
	if added > maxChanged {
		t.Errorf("%d new lines, more than %d", added, maxChanged)
	}
	if want := fmt.Sprintf("%d new lines in place of %d", added, removed); !strings.Contains(string(page), want) {
		t.Errorf("porting.md does not say %q", want)
	}
}

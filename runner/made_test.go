package runner

import (
	"bytes"
	"context"
	encjson "encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gadget-bpf/gadget/internal/gadgettest"
	"github.com/gadget-bpf/gadget/internal/plan"
	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/schemas"
)

// madeBy is the plan of a gadget without programs whose operator has these settings.
func madeBy(t *testing.T, settings ...string) *plan.Plan {
	t.Helper()
	md := &schemas.Metadata{Operator: map[string]string{}}
	for i := 0; i < len(settings); i += 2 {
		md.Operator[settings[i]] = settings[i+1]
	}
	p, err := plan.New(nil, md)
	if err != nil || len(p.Problems) > 0 {
		t.Fatal(err, p.Problems)
	}
	return p
}

// tablesOf runs a gadget to its end and returns the number of rows of each table.
func tablesOf(t *testing.T, p *plan.Plan, o Options) (rows []int, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out bytes.Buffer
	o.Host, o.Out, o.Encoder = true, &out, json
	begin := time.Now()
	o.Ready = func() { begin = time.Now() }
	if _, err := Run(ctx, p, o); err != nil {
		t.Fatal(err)
	}
	took = time.Since(begin)
	if ctx.Err() != nil {
		t.Error("it did not end")
	}
	for line := range bytes.Lines(out.Bytes()) {
		var table []any
		if err := encjson.Unmarshal(line, &table); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, len(table))
	}
	return rows, took
}

// TestMadeSchedule checks when tables come that no program makes.
func TestMadeSchedule(t *testing.T) {
	p := madeBy(t, "process.emitstats", "true", "process.interval", "300ms", "process.first-interval", "50ms", "process.count", "2")
	rows, took := tablesOf(t, p, Options{MaxRows: 3})
	if len(rows) != 2 || rows[0] != 3 || rows[1] != 3 || took < 350*time.Millisecond {
		t.Errorf("tables of %v rows after %s", rows, took)
	}
	// A user's interval is the first one, too, when it is shorter.
	p.Sources[0].Interval = 20 * time.Millisecond
	if rows, took := tablesOf(t, p, Options{}); len(rows) != 2 || took < 40*time.Millisecond {
		t.Errorf("%d tables after %s", len(rows), took)
	}
	p.Sources[0].Interval, p.Sources[0].Count = 0, 0
	if rows, _ := tablesOf(t, p, Options{}); len(rows) != 1 {
		t.Errorf("%d tables without an interval", len(rows))
	}
}

// TestMadeParams checks a parameter that no program has.
func TestMadeParams(t *testing.T) {
	gadgettest.NeedRoot(t)
	p := madeBy(t, "ebpf.emitstats", "true", "ebpf.statistics-interval", "50ms")
	p.Sources[0].Count = 1
	for value, want := range map[string]string{"true": "", "false": "", "maybe": `--gadgets-only: "maybe" is not true or false`} {
		_, err := Run(t.Context(), p, Options{Params: map[string]string{plan.GadgetsOnly: value}})
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && got != want {
			t.Errorf("%s: %v", value, err)
		}
	}
	if _, err := Run(t.Context(), p, Options{Params: map[string]string{"other": "1"}}); err == nil || !strings.Contains(err.Error(), `no parameter "other"`) {
		t.Errorf("unknown parameter: %v", err)
	}
}

func TestNothingToRun(t *testing.T) {
	if _, err := Run(t.Context(), madeBy(t), Options{}); err == nil || !strings.Contains(err.Error(), "nothing to run") {
		t.Errorf("error %v", err)
	}
}

// asNobody is set in a process that has lost all privileges.
const asNobody = "GADGET_TEST_AS_NOBODY"

// TestWithoutPrivilege runs itself as a user that may nothing.
func TestWithoutPrivilege(t *testing.T) {
	if os.Getenv(asNobody) == "" {
		gadgettest.NeedRoot(t)
		self, err := os.Open("/proc/self/exe") // its directory may be closed to others
		if err != nil {
			t.Fatal(err)
		}
		defer self.Close()
		cmd := exec.Command("/proc/self/fd/3", "-test.run=^TestWithoutPrivilege$", "-test.v")
		cmd.ExtraFiles, cmd.Dir, cmd.Env = []*os.File{self}, "/", append(os.Environ(), asNobody+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("PASS: TestWithoutPrivilege")) {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	var notices []string
	processes := madeBy(t, "process.emitstats", "true", "process.first-interval", "50ms", "process.count", "1")
	rows, _ := tablesOf(t, processes, Options{Notice: func(text string) { notices = append(notices, text) }})
	if len(rows) != 1 || rows[0] < 2 || len(notices) != 1 || !strings.Contains(notices[0], "containers are not known") {
		t.Errorf("tables of %v rows, notices %q", rows, notices)
	}
	for _, tt := range []struct {
		name string
		p    *plan.Plan
		o    Options
		want string
	}{
		{"a selector", processes, Options{Selector: container.Selector{Name: container.Patterns{"web"}}}, "CAP_BPF"},
		{"programs", madeBy(t, "ebpf.emitstats", "true"), Options{}, "CAP_SYS_ADMIN"},
		{"containers", aboutContainers(t), Options{}, "CAP_BPF"},
	} {
		var permission *PermissionError
		if _, err := Run(t.Context(), tt.p, tt.o); !errors.As(err, &permission) || permission.Missing[0] != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

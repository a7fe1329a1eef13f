package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gadget-bpf/gadget/internal/detached"
)

// update rewrites the CLI reference and what scripts compare.
var update = flag.Bool("update", false, "rewrite expected output")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gadget": main, "nobpf": withoutBPF})
}

// scriptDeadline ends scripts that hang, in time for what they started to be stopped.
const scriptDeadline = 6 * time.Minute

// TestScript runs the scripts that need no privilege.
func TestScript(t *testing.T) {
	testscript.Run(t, scriptParams("testdata/script"))
}

func scriptParams(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(scriptDeadline),
		Setup:               scriptEnv,
		Condition: func(cond string) (bool, error) {
			if cond != "builtin" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			builtIn, err := builtIns()
			return builtIn != nil, err
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exit":    cmdExit,
			"waitfor": cmdWaitFor,
			"within":  cmdWithin,
			"cgroup":  cmdCgroup,
		},
	}
}

// scriptEnv gives every script a home, a store and no settings of ours, and the
// sources of two gadgets in $WORK: snoop, and kill, which changes the system.
func scriptEnv(e *testscript.Env) error {
	for _, dir := range []string{"home", "config"} {
		if err := os.Mkdir(filepath.Join(e.WorkDir, dir), 0o755); err != nil {
			return err
		}
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
	e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
	e.Setenv("XDG_DATA_HOME", filepath.Join(e.WorkDir, "home", "data"))
	e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "home", "state"))
	// Headers are unpacked once for all scripts.
	e.Setenv("XDG_CACHE_HOME", cache)
	e.Setenv("GADGET_STORE", filepath.Join(e.WorkDir, "store"))
	runs := filepath.Join(e.WorkDir, "runs")
	e.Setenv("GADGET_RUNS", runs)
	e.Defer(func() { killRuns(runs) })
	e.Setenv("GOARCH", runtime.GOARCH)
	for _, name := range []string{"snoop", "kill"} {
		if err := os.CopyFS(filepath.Join(e.WorkDir, name), os.DirFS("testdata/gadgets/"+name)); err != nil {
			return err
		}
	}
	return nil
}

// killRuns ends what a script that failed has left running.
func killRuns(dir string) {
	runs, _ := detached.At(dir).List()
	for _, r := range runs {
		_ = r.State.Process.Kill()
	}
}

// cmdExit runs a command and checks its exit code: exit CODE PROGRAM [ARG…]. Its
// output is there for stdout and stderr.
func cmdExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE PROGRAM [ARG...]")
	}
	if got := exitStatus(ts.Exec(args[1], args[2:]...)); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// exitStatus is the exit code that err of a finished command tells.
func exitStatus(err error) string {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "0"
	case errors.As(err, &exit):
		return strconv.Itoa(exit.ExitCode())
	}
	return err.Error()
}

// cmdWaitFor waits until a file is not empty: waitfor FILE.
func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor FILE")
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if info, err := os.Stat(ts.MkAbs(args[0])); err == nil && info.Size() > 0 {
			return
		}
	}
	ts.Fatalf("%s is still empty", args[0])
}

// cmdCgroup makes a cgroup below the root of the unified hierarchy, until the script
// ends, and puts its directory into a variable: cgroup VARIABLE NAME.
func cmdCgroup(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cgroup VARIABLE NAME")
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	ts.Check(err)
	point := regexp.MustCompile(`(?m)^\S+ (\S+) cgroup2 `).FindSubmatch(mounts)
	if point == nil {
		ts.Fatalf("no unified hierarchy is mounted")
	}
	dir := filepath.Join(string(point[1]), args[1])
	if err := os.Mkdir(dir, 0o755); !errors.Is(err, fs.ErrExist) {
		ts.Check(err)
	}
	ts.Setenv(args[0], dir)
	ts.Defer(func() {
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			// The last processes leave it a moment after their end.
			if err := os.Remove(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
				return
			}
		}
	})
}

// cmdWithin runs a command that must end in time: within DURATION PROGRAM [ARG…].
func cmdWithin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: within DURATION PROGRAM [ARG...]")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	start := time.Now()
	ts.Check(ts.Exec(args[1], args[2:]...))
	if took := time.Since(start); took > limit {
		ts.Fatalf("%s took %s, more than %s", fmt.Sprint(args[1:]), took, limit)
	}
}

package main

import (
	"context"
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// update rewrites golden files and the CLI reference instead of comparing.
var update = flag.Bool("update", false, "rewrite expected output")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gadget": main})
}

// TestScript runs the scripts below testdata that need no privilege.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup:               scriptEnv,
		Cmds:                scriptCmds,
	})
}

// scriptEnv gives every script a home, a store and no settings of ours.
func scriptEnv(e *testscript.Env) error {
	for _, dir := range []string{"home", "config"} {
		if err := os.Mkdir(e.WorkDir+"/"+dir, 0o755); err != nil {
			return err
		}
	}
	e.Setenv("HOME", e.WorkDir+"/home")
	e.Setenv("XDG_CONFIG_HOME", e.WorkDir+"/config")
	e.Setenv("XDG_DATA_HOME", e.WorkDir+"/home/data")
	e.Setenv("GADGET_STORE", e.WorkDir+"/store")
	return nil
}

var scriptCmds = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exit": cmdExit,
}

// cmdExit runs a command and checks its exit code: exit CODE PROGRAM [ARG…]. Its
// output is there for stdout and stderr.
func cmdExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE PROGRAM [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = exitStatus(err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s (%v)", got, args[0], err)
	}
}

// runFor runs gadget in this process and returns what it printed and its code.
func runFor(t *testing.T, env map[string]string, args ...string) (stdout, stderr string, code exitCode) {
	t.Helper()
	var out, errs lockedBuffer
	s := streams{out: &out, err: &errs, env: func(name string) (string, bool) {
		v, ok := env[name]
		return v, ok
	}}
	code = run(context.Background(), args, s)
	return out.String(), errs.String(), code
}

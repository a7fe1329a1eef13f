package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gadget-bpf/gadget/internal/testengine"
)

// TestPrivileged runs the scripts that load programs into this kernel, with
// containers of a docker of their own. The scripts find in $WORK, beside snoop, the
// gadgets of the tests.
func TestPrivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loading programs needs root")
	}
	docker := testengine.StartDocker(t)
	params := scriptParams("testdata/privileged")
	params.Setup = func(e *testscript.Env) error {
		if err := scriptEnv(e); err != nil {
			return err
		}
		for name, dir := range map[string]string{
			"flood":   "testdata/gadgets/flood",
			"refused": "../../runner/testdata/refused",
			"metrics": "../../runner/testdata/metrics",
		} {
			if err := os.CopyFS(filepath.Join(e.WorkDir, name), os.DirFS(dir)); err != nil {
				return err
			}
		}
		gadgets, err := filepath.Abs("../../gadgets")
		if err != nil {
			return err
		}
		e.Setenv("GADGETS", gadgets)
		e.Setenv("DOCKER_HOST", docker.Host())
		e.Setenv("TINY", testengine.Image)
		return nil
	}
	// The scripts run side by side, and the docker is theirs until all have ended.
	t.Run("scripts", func(t *testing.T) { testscript.Run(t, params) })
}

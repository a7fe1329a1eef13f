//go:build interop

package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestCosign signs with cosign and verifies with gadget, and the other way round.
// cosign (version 2) and cosign3 are on PATH.
func TestCosign(t *testing.T) { testscript.Run(t, registryParams("testdata/cosign")) }

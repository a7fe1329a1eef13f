package main

import (
	"embed"
	"errors"
	"io/fs"

	"github.com/gadget-bpf/gadget/registry"
)

// builtInFiles hold an OCI image layout in binaries made by make, else only a README.
//
//go:embed all:builtin/layout
var builtInFiles embed.FS

// builtIns are the gadgets that this program carries with it, nil when it has none.
func builtIns() (*registry.Layout, error) {
	layout, err := fs.Sub(builtInFiles, "builtin/layout")
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(layout, "index.json"); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return registry.OpenLayout(layout)
}

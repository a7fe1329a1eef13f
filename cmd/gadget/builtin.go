package main

import "github.com/gadget-bpf/gadget/registry"

// builtIns are the gadgets that this program carries with it, nil when it has none.
func builtIns() (*registry.Layout, error) { return nil, nil }

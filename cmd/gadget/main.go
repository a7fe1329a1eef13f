// Command gadget builds, ships and runs eBPF gadgets as OCI images.
//
// It is a thin skin: every verb is one file that turns flags into one call of
// builder, registry or runner, and prints what comes back. Results go to stdout,
// words to stderr.
package main

import (
	"context"
	"os"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == heldVerb {
		os.Exit(int(becomeHeld()))
	}
	s := processStreams()
	ctx, stop := signalContext(context.Background(), s.last)
	code := run(ctx, os.Args[1:], s)
	stop()
	os.Exit(int(code))
}

// Command object compiles one eBPF C file with the embedded headers, as gadgets
// are compiled: for objects that the project itself embeds.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/gadget-bpf/gadget/builder"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: object linux/ARCH SOURCE OBJECT")
		os.Exit(2)
	}
	object, err := builder.Compile(context.Background(), os.Args[2], os.Args[1], builder.Options{Stderr: os.Stderr})
	if err == nil {
		err = os.WriteFile(os.Args[3], object, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "object:", err)
		os.Exit(1)
	}
}

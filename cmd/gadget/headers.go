package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/builder"
)

func headersCmd(a *app) *cobra.Command {
	var dir, platform string
	cmd := &cobra.Command{
		Use:     "headers",
		Short:   "Write the eBPF headers, so that an editor understands a gadget's source",
		GroupID: groupImages,
		Long: `Write the headers that programs are compiled with (vmlinux.h, libbpf's, the kernel's
UAPI, gadget's own), and compile_flags.txt, which tells clangd and other tools to use
them. gadget image build needs neither: it has its own.

The headers go to .gadget-headers below the directory and stay out of git. What an
earlier call has written is replaced.`,
		Example: `  cd mysnoop && gadget headers -o .
  gadget headers -o ./mysnoop --platform linux/arm64`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usageErrorf(cmd, "where to? --output DIR is missing").
					hint("gadget headers -o . is for the source in this directory")
			}
			if err := builder.WriteHeaders(dir, platform); err != nil {
				return err
			}
			fmt.Fprintln(a.out, filepath.Join(dir, builder.HeadersDir))
			fmt.Fprintln(a.out, filepath.Join(dir, builder.FlagsFile))
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&dir, "output", "o", "", "the `DIR` with the gadget's source")
	fs.StringVar(&platform, "platform", hostPlatform(), "machine `PLATFORM` that the editor should think of")
	return cmd
}

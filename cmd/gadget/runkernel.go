package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/runner"
)

const sectionKernel = "The kernel"

// kernelOptions are about the kernel that a gadget runs on.
type kernelOptions struct {
	btf       string
	tracePipe bool
	allow     permissions
}

func (o *kernelOptions) addTo(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&o.btf, "btf", "", "`FILE` with the kernel's types, BTF or a vmlinux, for kernels that do not describe themselves")
	fs.BoolVar(&o.tracePipe, "trace-pipe", false, "print what programs say by bpf_printk on stderr; lines of all programs of this machine")
	o.allow.addTo(cmd)
	inSection(fs, sectionKernel, "btf", "trace-pipe", "allow")
}

// apply puts the options, and what the image has for kernels, into those of a run.
func (o *kernelOptions) apply(ro *runner.Options, a *app) {
	ro.BTF, ro.BTFGen = o.btf, a.gadget.btfgen
	ro.AllowChange = o.allow.change || a.gadget.mayChange
	if o.tracePipe {
		ro.TracePipe = func(line string) {
			// Asked for, and so said with -q too.
			_ = a.log.Handler().Handle(context.Background(), slog.NewRecord(time.Now(), slog.LevelInfo, "trace_pipe: "+line, 0))
		}
	}
}

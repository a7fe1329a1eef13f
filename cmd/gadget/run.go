package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/runner"
)

// runOptions are the flags of `gadget run`; the gadget's own are in gadgetFlags.
type runOptions struct {
	show       showOptions
	containers containerOptions
	tables     tableOptions
	metrics    metricOptions
	kernel     kernelOptions
	command    commandOptions
	annotate   annotations
	timeout    seconds
	maxEvents  uint64
	bufferSize byteSize
	failOnLoss bool
	watch      bool
	verifier   string
	pull       choice
	transport  transportOptions
	trust      trustOptions
	detach     detachOptions
	file       fileOptions
	ready      readyOptions
}

func runCmd(a *app) *cobra.Command {
	opts := &runOptions{
		bufferSize: runner.DefaultBufferSize,
		pull:       oneOf("WHEN", pullMissing, pullAlways, pullNever, pullNewer),
	}
	a.run = opts
	cmd := &cobra.Command{
		Use:     "run IMAGE|DIR [the gadget's own flags] [-- COMMAND ARG…]",
		Short:   "Load a gadget into the kernel and print its events",
		GroupID: groupRun,
		Long: `Load a gadget into the kernel, print its events until Ctrl-C, and take it out again.

IMAGE is a local image, a gadget that is built into this program, or an image in a
registry, which is pulled when it is not here. oci:DIR and oci-archive:FILE are
images in a directory or archive. DIR is a directory with the source of a gadget,
which is built for this machine and run without leaving an image.

Only events of containers are shown, unless --host is given. The gadget's own
flags come after IMAGE; gadget run IMAGE --help explains them and lists the fields
of its events.

With a COMMAND, only its events are shown, and those of all processes that descend
from it, from its first instruction on. It has stdin, stdout and stderr to itself:
events go to stderr, or to --output-file. The run ends with the command and has its
exit code.`,
		Example: `  # every program that a container starts
  gadget run trace_exec

  # one container, as JSON lines
  gadget run trace_exec -c web -o json

  # everything on this machine that fails to open a file, for ten seconds
  gadget run trace_open --host --failed --fields proc.comm,fname,error --timeout 10s

  # only what a filter keeps
  gadget run trace_open -F 'proc.comm == "nginx" && error != ""'

  # what this command opens, and with which code it ends
  gadget run trace_open --failed -- curl -s https://example.com
  gadget run trace_exec -o json --output-file execs.json -- make -j4

  # a unit of systemd, and everything below a cgroup
  gadget run trace_exec --unit nginx
  gadget run trace_open --cgroup /system.slice

  # an image from a registry, and one from an archive
  gadget run ghcr.io/acme/mysnoop:v1
  gadget run oci-archive:mysnoop.tar

  # leave it running, look at it later, end it
  id=$(gadget run -d trace_exec --name execs)
  gadget logs execs --since 5m
  gadget stop execs

  # several at once, as a file describes them
  gadget run -f gadgets.yaml -o jsonl

  # build and run the source in a directory, again after every change
  gadget run ./mysnoop --host --watch`,
		Args: opts.checkArgs,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 { // the command's files
				return nil, cobra.ShellCompDirectiveDefault
			}
			return a.completeRunnable(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if opts.file.path != "" {
				return opts.file.run(cmd.Context(), a, cmd)
			}
			return runRun(cmd.Context(), a, cmd, opts)
		},
	}
	fs := cmd.Flags()
	fs.SetNormalizeFunc(aliasOf)
	opts.show.addTo(cmd)
	opts.containers.addTo(cmd)
	opts.kernel.addTo(cmd)
	opts.command.addTo(cmd)
	fs.Var(&opts.annotate, "annotate", "change what the gadget says of its data sources and fields: SOURCE:KEY=VALUE,SOURCE.FIELD:KEY=VALUE,…")
	inSection(fs, sectionShow, "annotate")
	fs.VarP(&opts.timeout, "timeout", "t", "stop this long after the gadget is attached; a bare number is seconds")
	fs.Uint64Var(&opts.maxEvents, "max-events", 0, "stop after `N` events")
	fs.Var(&opts.bufferSize, "buffer-size", "memory for events on their way from the kernel, for each data source")
	fs.BoolVar(&opts.watch, watchFlag, false, "of a DIR: build and begin again whenever its source changes")
	fs.BoolVar(&opts.failOnLoss, "fail-on-loss", false, "exit with code 4 when events were lost")
	fs.StringVar(&opts.verifier, "verifier-log", verifierShort, "when the kernel refuses a program: short says why, full prints all that the verifier said, a `FILE` keeps it")
	fs.Var(&opts.pull, "pull", "get the image from its registry: missing, always, never or newer")
	opts.transport.addTo(cmd)
	opts.trust.addTo(cmd)
	opts.detach.addTo(a, cmd)
	opts.file.addTo(cmd)
	opts.ready.addTo(cmd)
	opts.pull.complete(cmd, "pull")
	return cmd
}

// checkArgs wants one IMAGE, and perhaps a command; none when a file says what to run.
func (o *runOptions) checkArgs(cmd *cobra.Command, args []string) error {
	if o.file.path != "" {
		return o.file.check(cmd, args)
	}
	return oneImage(cmd, o.command.take(cmd, args))
}

// oneImage wants one IMAGE, and knows the two mistakes that are made with it.
func oneImage(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return usageErrorf(cmd, "which gadget? gadget run wants an IMAGE or a DIR").
			hint("gadget image list shows what is here")
	case len(args) > 1:
		return usageErrorf(cmd, "unexpected argument %q: gadget run takes one IMAGE", args[1])
	}
	return nil
}

// runRun runs the gadget that extendRun has found.
func runRun(ctx context.Context, a *app, cmd *cobra.Command, opts *runOptions) error {
	g := a.gadget
	opts.applyDefaults(cmd, g, a.log)
	if err := g.flags.check(cmd); err != nil {
		return err
	}
	if err := opts.check(cmd, g); err != nil {
		return err
	}
	if err := opts.tables.schedule(cmd, g); err != nil {
		return err
	}
	opts.show.maxSeries = max(0, opts.tables.maxRows)
	selector, err := opts.containers.selector(cmd)
	if err != nil {
		return err
	}
	processes, err := opts.containers.processes(cmd)
	if err != nil {
		return err
	}
	engines, err := opts.containers.engines.options(cmd, selector)
	if err != nil {
		return err
	}
	if err := opts.detach.check(cmd); err != nil {
		return err
	}
	if err := opts.ready.check(a, cmd); err != nil {
		return err
	}
	if opts.detach.leaves(a) {
		return opts.startDetached(ctx, a, cmd)
	}
	if err := a.together.arrive(ctx); err != nil {
		return err
	}
	for _, name := range g.envVars() {
		if !slices.Contains(opts.show.variables, name) {
			a.log.Info("the gadget would show an environment variable if --env-vars allowed it", "name", name)
		}
	}
	own := a.streams
	closeEvents, err := opts.command.direct(a, &opts.show)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var untold error
	o := runner.Options{
		Params:     g.flags.values(cmd),
		BufferSize: int(opts.bufferSize),
		Host:       opts.containers.host,
		Selector:   selector,
		Processes:  processes,
		Engines:    engines,
		EnrichWait: time.Duration(opts.containers.engines.wait),
		EnvVars:    opts.show.envVars(a.env),
		NoNames:    opts.show.noNames,
		Out:        a.out,
		Encoder:    opts.show.encoder(g, a.term),
		Filter:     opts.show.filter,
		Order:      opts.tables.order,
		MaxRows:    opts.tables.maxRows,
		MaxEvents:  opts.maxEvents,
		ImageOf:    imageOf,

		PrintInterval: opts.printInterval(cmd, g),
		Ready: func() {
			a.log.Info("ready")
			// A detached run tells it when it has written down that it is.
			if !opts.detach.detach {
				if untold = opts.ready.tell(a, nil); untold != nil {
					cancel()
				}
			}
			// Loading does not count: a slow machine would show less.
			if opts.timeout > 0 {
				time.AfterFunc(time.Duration(opts.timeout), cancel)
			}
		},
		Lost: func(source string, n, total uint64) {
			a.log.Warn(lostWords(g.plan.Source(source), n), "source", source, "total", total)
		},
		Notice: func(text string) { a.log.Warn(text) },
		Log:    a.log,
	}
	opts.kernel.apply(&o, a)
	if opts.detach.detach {
		return opts.runDetached(ctx, a, cmd, o)
	}
	err = opts.execute(ctx, a, own, o, cancel)
	return cmp.Or(err, untold, closeEvents())
}

// execute runs the gadget, and the command if there is one.
func (o *runOptions) execute(ctx context.Context, a *app, own streams, ro runner.Options, cancel func()) error {
	command, err := o.command.hold(own)
	if err != nil {
		return err
	}
	if command != nil {
		o.command.follow(command, &ro)
		defer command.relay(own)()
	}
	report, err := o.present(ctx, a, ro, cancel)
	err = a.account(a.gadget.plan, report, err, o)
	if command != nil {
		err = command.result(err)
	}
	return err
}

// check finds mistakes in the flags before the kernel is asked for anything.
func (o *runOptions) check(cmd *cobra.Command, g *gadget) error {
	if err := o.show.check(cmd, g); err != nil {
		return err
	}
	if err := o.tables.check(cmd, g); err != nil {
		return err
	}
	if err := o.command.check(cmd); err != nil {
		return err
	}
	return o.metrics.check(cmd)
}

package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/builder"
)

// builderFlag is the flag --builder: where clang runs.
type builderFlag string

// String implements pflag.Value.
func (f *builderFlag) String() string { return firstNonEmpty(string(*f), builder.Auto) }

// Type implements pflag.Value.
func (f *builderFlag) Type() string { return "WHERE" }

// Set implements pflag.Value.
func (f *builderFlag) Set(s string) error {
	if err := builder.CheckBuilder(s); err != nil {
		return err
	}
	*f = builderFlag(s)
	return nil
}

// addBuilder adds the flags that say where clang runs. Those of other builders of
// this format mean what they mean there.
func (o *buildOptions) addBuilder(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.Var(&o.where, "builder", "where clang runs: auto (here, else by podman, else by docker), host, podman, docker, or image=REF for an image with a clang of its own")
	// The only error is a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("builder", cobra.FixedCompletions(
		[]string{builder.Auto, builder.Host, builder.Podman, builder.Docker, "image="}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	fs.StringVar(&o.builderImage, "builder-image", "", "run clang in this `IMAGE` (default "+builder.DefaultBuilderImage(version)+")")
	fs.Var(&o.builderPull, "builder-image-pull", "pull the image: missing, always or never")
	o.builderPull.complete(cmd, "builder-image-pull")
	fs.BoolVarP(&o.local, "local", "l", false, "the same as --builder host")
	for _, name := range []string{"builder-image", "builder-image-pull", "local"} {
		fs.Lookup(name).Hidden = true
	}
}

// settleBuilder makes one answer of the flags that say where clang runs.
func (o *buildOptions) settleBuilder(cmd *cobra.Command) error {
	if !o.local {
		return nil
	}
	if o.builderImage != "" || !slices.Contains([]string{"", builder.Auto, builder.Host}, string(o.where)) {
		return usageErrorf(cmd, "--local contradicts --builder and --builder-image")
	}
	o.where = builder.Host
	return nil
}

// builderOptions are those of every build.
func (a *app) builderOptions() builder.Options {
	return builder.Options{
		Version: version,
		Color:   a.errTerm().Color,
		Stderr:  a.err,
		Offline: a.global.offline || a.run.pull.String() == pullNever,
		Notice: func(text string) {
			if !a.global.quiet {
				// Nobody is left to tell when standard error is gone.
				_, _ = fmt.Fprintln(a.err, text)
			}
		},
	}
}

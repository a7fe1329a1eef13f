package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/runner/container"
	"github.com/gadget-bpf/gadget/runner/container/engine"
	"github.com/gadget-bpf/gadget/runner/process"
)

const sectionContainers = "Which containers"

// containerOptions choose whose events are shown.
type containerOptions struct {
	host                            bool
	names, images, runtimes         []string
	namespaces, pods, podContainers []string
	digests, labels                 []string
	units, cgroups                  []string
	engines                         engineOptions
}

// addTo adds all of them.
func (o *containerOptions) addTo(cmd *cobra.Command) {
	fs := cmd.Flags()
	o.addSelectors(cmd)
	fs.Var(words(&o.units), "unit", "only processes of these systemd `UNITS`, such as nginx.service or nginx; what -c and the others choose besides")
	fs.Var(words(&o.cgroups), "cgroup", "only processes in these `CGROUPS`, such as /system.slice, and below")
	fs.BoolVar(&o.host, "host", false, "show the processes of the host too")
	inSection(fs, sectionContainers, "unit", "cgroup", "host")
	o.complete(cmd, map[string]func() []string{"unit": process.Units, "cgroup": process.Cgroups})
}

// addSelectors adds those that choose containers, and say who is asked for them.
func (o *containerOptions) addSelectors(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.VarP(words(&o.names), "containername", "c", "only containers with these `NAMES`, or ids from six digits on; * and ? match, ! excludes")
	fs.Var(words(&o.images), "image", "only containers of these image `NAMES`")
	fs.Var(words(&o.digests), "runtime-containerimage-digest", "only containers of images with these `DIGESTS`, of which 12 digits count")
	fs.Var(words(&o.labels), "label", "only containers with these `LABELS`, or their pod: key=value, key!=value")
	fs.Var(words(&o.pods), "k8s-podname", "only containers of these pod `NAMES`")
	fs.Var(words(&o.namespaces), "k8s-namespace", "only containers of these Kubernetes `NAMESPACES`")
	fs.Var(words(&o.podContainers), "k8s-containername", "only containers with these `NAMES` in their pod")
	fs.Var(words(&o.labels), "k8s-selector", "another name of --label `LABELS`")
	fs.VarP(words(&o.runtimes), "runtimes", "r", "only containers of these `RUNTIMES`: "+strings.Join(runtimes, ", "))
	inSection(fs, sectionContainers, "containername", "image", "runtime-containerimage-digest", "label", "runtimes", "k8s-podname", "k8s-namespace", "k8s-containername", "k8s-selector")
	o.engines.addTo(cmd)
	o.complete(cmd, o.byContainer(cmd))
}

// runtimes are those that a container may have.
var runtimes = append(engine.Runtimes(), "runc", "crun", "youki")

// checkRuntimes refuses names of runtimes that no container has.
func (o *containerOptions) checkRuntimes(cmd *cobra.Command) error {
	for _, name := range o.runtimes {
		name = strings.TrimPrefix(name, "!")
		if !strings.ContainsAny(name, "*?") && !slices.Contains(runtimes, name) {
			return usageErrorf(cmd, "--runtimes: %q is not one of %s", name, strings.Join(runtimes, ", ")).
				hint("%s", didYouMean("", name, runtimes))
		}
	}
	return nil
}

// selector is what the flags choose.
func (o *containerOptions) selector(cmd *cobra.Command) (container.Selector, error) {
	var s container.Selector
	if err := o.checkRuntimes(cmd); err != nil {
		return s, err
	}
	for _, list := range []struct {
		flag  string
		words []string
		into  *container.Patterns
	}{
		{"containername", o.names, &s.Name},
		{"image", o.images, &s.Image},
		{"runtimes", o.runtimes, &s.Runtime},
		{"k8s-podname", o.pods, &s.Pod},
		{"k8s-namespace", o.namespaces, &s.Namespace},
		{"k8s-containername", o.podContainers, &s.PodContainer},
	} {
		if len(list.words) == 0 {
			continue
		}
		patterns, err := container.ParsePatterns(strings.Join(list.words, ","))
		if err != nil {
			return s, usageErrorf(cmd, "--%s: %w", list.flag, err)
		}
		*list.into = patterns
	}
	if len(o.digests) > 0 {
		digests, err := container.ParseDigests(strings.Join(o.digests, ","))
		if err != nil {
			return s, usageErrorf(cmd, "--runtime-containerimage-digest: %w", err)
		}
		s.Digest = digests
	}
	if len(o.labels) > 0 {
		labels, err := container.ParseLabels(strings.Join(o.labels, ","))
		if err != nil {
			return s, usageErrorf(cmd, "--label: %w", err)
		}
		s.Labels = labels
	}
	return s, nil
}

// processes are what the flags choose besides containers.
func (o *containerOptions) processes(cmd *cobra.Command) (c process.Choice, err error) {
	if o.host && len(o.units)+len(o.cgroups) > 0 {
		return c, usageErrorf(cmd, "--host shows all units: leave it out to show those of --unit or --cgroup only")
	}
	cgroups := make([]string, len(o.cgroups))
	for i, path := range o.cgroups {
		path, exclude := strings.CutPrefix(path, "!")
		if cgroups[i] = strings.TrimSuffix(process.Relative(path), "/"); cgroups[i] == "" {
			return c, usageErrorf(cmd, "--cgroup: %q is the root, below which everything is: use --host", path)
		}
		if !strings.HasPrefix(cgroups[i], "/") {
			return c, usageErrorf(cmd, "--cgroup: %q is not a path such as /system.slice/nginx.service", path)
		}
		if exclude {
			cgroups[i] = "!" + cgroups[i]
		}
	}
	for _, list := range []struct {
		flag  string
		words []string
		into  *container.Patterns
	}{{"unit", o.units, &c.Units}, {"cgroup", cgroups, &c.Cgroups}} {
		if len(list.words) == 0 {
			continue
		}
		if *list.into, err = container.ParsePatterns(strings.Join(list.words, ",")); err != nil {
			return c, usageErrorf(cmd, "--%s: %w", list.flag, err)
		}
	}
	return c, nil
}

package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/internal/event"
	"github.com/gadget-bpf/gadget/runner/container"
)

// completeWithin is how long the shell waits for the names of containers.
const completeWithin = time.Second

// complete lets the shell complete the values of flags, by their names, from what
// runs now and the user may see.
func (o *containerOptions) complete(cmd *cobra.Command, flags map[string]func() []string) {
	for flag, values := range flags {
		// The only error is a flag that does not exist.
		_ = cmd.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return completeListed(values(), word), cobra.ShellCompDirectiveNoFileComp
		})
	}
}

// byContainer are the values of the flags that choose containers.
func (o *containerOptions) byContainer(cmd *cobra.Command) map[string]func() []string {
	byContainer := func(names func(*event.Container) []string) func() []string {
		return func() []string {
			var all []string
			for _, c := range o.running(cmd) {
				all = append(all, names(c)...)
			}
			return all
		}
	}
	labels := byContainer(func(c *event.Container) []string {
		var all []string
		for key, value := range c.Labels {
			if !strings.Contains(value, ",") {
				all = append(all, key+"="+value)
			}
		}
		return all
	})
	return map[string]func() []string{
		"containername":     byContainer(func(c *event.Container) []string { return []string{c.Name} }),
		"image":             byContainer(func(c *event.Container) []string { return []string{c.Image} }),
		"k8s-podname":       byContainer(func(c *event.Container) []string { return []string{c.Pod} }),
		"k8s-namespace":     byContainer(func(c *event.Container) []string { return []string{c.Namespace} }),
		"k8s-containername": byContainer(func(c *event.Container) []string { return []string{c.PodContainer} }),
		"k8s-selector":      labels,
		"label":             labels,
		"runtimes":          func() []string { return runtimes },
	}
}

// running are the containers that run now; none when that cannot be found out soon.
func (o *containerOptions) running(cmd *cobra.Command) []*event.Container {
	engines, err := o.engines.options(cmd, container.Selector{})
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWithin)
	defer cancel()
	list, err := container.List(ctx, container.Options{Engines: engines})
	if err != nil {
		return nil
	}
	return list
}

// completeListed completes the last word of a list with commas, of which each may be
// excluded by an exclamation mark. What stands in the list is not offered again.
func completeListed(values []string, word string) []string {
	done := strings.LastIndexByte(word, ',') + 1
	lead, item := word[:done], word[done:]
	given := strings.Split(strings.TrimSuffix(lead, ","), ",")
	if rest, exclude := strings.CutPrefix(item, "!"); exclude {
		lead, item = lead+"!", rest
	}
	offered := map[string]bool{}
	for _, v := range values {
		// A name that would end the line, or the list, is not offered.
		odd := strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) || r == ',' })
		if v != "" && !odd && strings.HasPrefix(v, item) && !slices.Contains(given, v) {
			offered[lead+v] = true
		}
	}
	return slices.Sorted(maps.Keys(offered))
}

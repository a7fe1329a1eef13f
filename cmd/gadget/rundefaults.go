package main

import (
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagsByFullName are flags of `gadget run` by the full name that the parameter
// has in the image format (compat-spec §5.2), in lower case. What an image must
// not decide, such as the environment variables that it sees, is not among them.
var flagsByFullName = map[string]string{
	"operator.cli.output":                                 "output",
	"operator.cli.fields":                                 "fields",
	"operator.filter.filter":                              "filter",
	"operator.filter.filter-expr":                         "filter-expr",
	"operator.sort.sort":                                  "sort",
	"operator.limiter.max-entries":                        "max-entries",
	"operator.localmanager.host":                          "host",
	"operator.localmanager.containername":                 "containername",
	"operator.localmanager.runtime-containername":         "containername",
	"operator.localmanager.runtimes":                      "runtimes",
	"operator.localmanager.runtime-containerimage-digest": "runtime-containerimage-digest",
	"operator.localmanager.k8s-podname":                   "k8s-podname",
	"operator.localmanager.k8s-namespace":                 "k8s-namespace",
	"operator.localmanager.k8s-selector":                  "k8s-selector",
	"operator.localmanager.k8s-containername":             "k8s-containername",
	"operator.oci.ebpf.trace-pipe":                        "trace-pipe",
	"operator.oci.ebpf.map-fetch-interval":                "interval",
	"operator.oci.ebpf.map-fetch-count":                   "count",
	"operator.process.interval":                           "interval",
	"operator.process.count":                              "count",
	"operator.cgroup.interval":                            "interval",
	"operator.cgroup.count":                               "count",
	"operator.ebpf.statistics-interval":                   "interval",
}

// flagOf is the flag that a full name stands for, nil when it is none of the
// command's.
func flagOf(cmd *cobra.Command, fullName string) *pflag.Flag {
	fullName = strings.ToLower(fullName)
	name, ok := flagsByFullName[fullName]
	if source, one := strings.CutPrefix(fullName, "operator.filter.filter."); one {
		name, ok = "filter."+source, true
	}
	if !ok {
		return nil
	}
	f := cmd.Flags().Lookup(name)
	if f == nil || f.Annotations[annotationParam] != nil {
		return nil
	}
	return f
}

// plannedDefault reports whether the plan has looked at a default: that of a
// parameter of the gadget, or of the times of its tables.
func (g *gadget) plannedDefault(fullName string) bool {
	for _, prefix := range []string{"operator.oci.ebpf.map-fetch-", "operator.process.", "operator.cgroup.", "operator.ebpf."} {
		if strings.HasPrefix(fullName, prefix) {
			return true
		}
	}
	for i := range g.plan.Params {
		if strings.EqualFold(g.plan.Params[i].FullName(), fullName) {
			return true
		}
	}
	return false
}

// showDefaults makes the help of cmd show the defaults that the gadget has for
// flags of `gadget run`.
func (o *runOptions) showDefaults(cmd *cobra.Command, g *gadget) {
	for name, text := range g.metadata.ParamDefaults {
		f, err := defaultFlag(cmd, g, name)
		if f == nil || err != nil {
			continue
		}
		before := f.Value.String()
		if o.try(cmd, g, f, text) == nil {
			f.DefValue = text
			_ = f.Value.Set(before) // it was the value all the time
		}
	}
}

// applyDefaults sets the flags that nobody has set to the defaults that the gadget
// has for them. One that makes no sense is left out, as no image is refused for
// its metadata.
func (o *runOptions) applyDefaults(cmd *cobra.Command, g *gadget, log *slog.Logger) {
	for _, name := range slices.Sorted(maps.Keys(g.metadata.ParamDefaults)) {
		f, err := defaultFlag(cmd, g, name)
		if err == nil && f != nil && !f.Changed {
			err = o.try(cmd, g, f, g.metadata.ParamDefaults[name])
		}
		if err != nil {
			log.Info("paramDefaults of gadget.yaml: no effect", "name", name, "error", err)
		}
	}
}

// defaultFlag is the flag that a default of the gadget is for; nil when the plan
// has taken care of it.
func defaultFlag(cmd *cobra.Command, g *gadget, fullName string) (*pflag.Flag, error) {
	f := flagOf(cmd, fullName)
	switch {
	case g.plannedDefault(fullName):
		return nil, nil
	case f == nil:
		return nil, errors.New("there is no such parameter here")
	case strings.HasPrefix(g.metadata.ParamDefaults[fullName], "@"):
		return nil, errors.New("a gadget cannot name files of this machine")
	}
	return f, nil
}

// try sets a flag, unless the value is a mistake.
func (o *runOptions) try(cmd *cobra.Command, g *gadget, f *pflag.Flag, text string) error {
	before := f.Value.String()
	err := f.Value.Set(text)
	if err == nil {
		err = o.check(cmd, g)
	}
	if err != nil {
		_ = f.Value.Set(before) // it was the value all the time
	}
	return err
}

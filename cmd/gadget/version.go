package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/cmd/gadget/view"
)

// version is set by the linker when a release is made.
var version = "v0.0.0-dev"

// versionInfo is what `gadget version` says.
type versionInfo struct {
	Version   string            `json:"version"`
	Commit    string            `json:"commit,omitempty"`
	Modified  bool              `json:"modified,omitempty"`
	Time      string            `json:"time,omitempty"`
	Go        string            `json:"go"`
	Platform  string            `json:"platform"`
	Libraries map[string]string `json:"libraries"`
}

// shownLibraries are the modules whose version matters to whoever reads a bug report.
var shownLibraries = []string{
	"github.com/cilium/ebpf",
	"github.com/expr-lang/expr",
	"oras.land/oras-go/v2",
}

type versionOptions struct{ output choice }

func versionCmd(a *app) *cobra.Command {
	opts := versionOptions{output: oneOf("FORMAT", "text", "json", "yaml")}
	cmd := &cobra.Command{
		Use:         "version",
		Short:       "Show the version of gadget and what it is made of",
		GroupID:     groupTool,
		Args:        exactArgs(),
		Annotations: map[string]string{annotationNoSettings: "true"},
		Example: `  gadget version
  gadget version -o json | jq -r .version`,
		RunE: func(*cobra.Command, []string) error { return runVersion(a, opts) },
	}
	addOutput(cmd, &opts.output)
	return cmd
}

func runVersion(a *app, opts versionOptions) error {
	info := readVersion()
	return a.print(opts.output.String(), info, func(w io.Writer, _ view.Terminal) error {
		commit := firstNonEmpty(info.Commit, "unknown commit")
		if info.Modified {
			commit += ", modified"
		}
		_, err := fmt.Fprintf(w, "gadget %s (%s) %s %s\n", info.Version, commit, info.Go, info.Platform)
		return err
	})
}

func readVersion() versionInfo {
	info := versionInfo{
		Version:   version,
		Go:        runtime.Version(),
		Platform:  runtime.GOOS + "/" + runtime.GOARCH,
		Libraries: map[string]string{},
	}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return info
	}
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			info.Commit = s.Value
		case "vcs.time":
			info.Time = s.Value
		case "vcs.modified":
			info.Modified = s.Value == "true"
		}
	}
	for _, d := range build.Deps {
		for _, l := range shownLibraries {
			if d.Path == l {
				info.Libraries[l] = d.Version
			}
		}
	}
	return info
}

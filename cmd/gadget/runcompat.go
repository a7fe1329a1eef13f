package main

import (
	"errors"

	"github.com/spf13/pflag"
)

// unsupported are flags that other tools of this image format have and that this
// version of gadget has no function for. They are named here so that a script that
// uses one is told what is the matter, rather than that the flag is unknown.
var unsupported = []struct {
	names []string
	// bare flags take no value.
	bare bool
	why  string
}{
	{[]string{"attach"}, true, "this name; see gadget attach"},
	{[]string{"event-buffer-length"}, false, "counting what is kept; see --keep"},
	{[]string{"tags", "remote-address"}, false, "runs on other machines"},
	{[]string{"node", "enrich-with-k8s-apiserver", "kubeconfig"}, false, "asking the Kubernetes API server; names come from the container runtime"},
	{[]string{"runtime-containerimage-id"}, false, "choosing by image id; use --image or --runtime-containerimage-digest"},
	{[]string{"pull-secret", "insecure-registries"}, false, "this name; use --authfile, --plain-http or --insecure"},
	{[]string{"notation-certificates", "notation-policy-document"}, false, "signatures of notation; --public-keys takes those of cosign"},
	{[]string{"oci-store-user"}, true, "the store of another user; use --store DIR"},
	{tableFlags, false, "tables: this gadget shows events one by one"},
	{[]string{"print-interval"}, false, "drawing metrics: this gadget has none"},
	{[]string{"symbolizers", "debuginfod-cache-path"}, false, "names for the addresses of stacks"},
	{[]string{"socket-enricher-fields", "pprof-addr", "policy-format"}, false, "this function of other tools"},
	{[]string{"otel-metrics-name", "otel-metrics-exporter", "otel-metrics-listen-address", "otel-logs-exporter", "otel-profiles-exporter"}, false, "exporting telemetry"},
	{[]string{"otel-metrics-listen", "otel-metrics-export-internals"}, true, "exporting telemetry"},
}

// aliases are other names of flags of `gadget run`.
var aliases = map[string]string{
	"container":                   "containername",
	"runtime-containername":       "containername",
	"pod":                         "k8s-podname",
	"podname":                     "k8s-podname",
	"namespace":                   "k8s-namespace",
	"selector":                    "k8s-selector",
	"format":                      "output",
	"map-fetch-interval":          "interval",
	"map-fetch-count":             "count",
	"statistics-interval":         "interval",
	"otel-metrics-print-interval": "print-interval",
}

// aliasOf gives the flags of fs their other names.
func aliasOf(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if n, ok := aliases[name]; ok {
		name = n
	}
	return pflag.NormalizedName(name)
}

// addCompat adds flags of other tools to those of `gadget run`, hidden: some change
// nothing here, the others say that they are not supported. A flag that the gadget
// itself has is left alone, so this comes last.
func addCompat(fs *pflag.FlagSet) {
	add := func(name string, v pflag.Value, bare bool) {
		if fs.Lookup(name) != nil {
			return
		}
		f := fs.VarPF(v, name, "", "")
		f.Hidden = true
		if bare {
			f.NoOptDefVal = "true"
		}
	}
	for _, u := range unsupported {
		for _, name := range u.names {
			add(name, refusal{why: u.why}, u.bare)
		}
	}
	// Metadata is never refused at run time, tracefs is mounted when it is needed.
	add("validate-metadata", ignored{}, true)
	add("auto-mount-filesystems", ignored{}, true)
	add("disallow-pulling", ignored{}, true)
	// All namespaces are shown unless some are chosen.
	add("all-namespaces", ignored{}, true)
}

// refusal is a flag that is not supported.
type refusal struct{ why string }

// String implements pflag.Value.
func (r refusal) String() string { return "" }

// Type implements pflag.Value.
func (r refusal) Type() string { return "refused" }

// Set implements pflag.Value.
func (r refusal) Set(string) error {
	return errors.New("not supported: " + r.why)
}

// ignored is a flag whose function is always on.
type ignored struct{}

// String implements pflag.Value.
func (ignored) String() string { return "" }

// Type implements pflag.Value.
func (ignored) Type() string { return "bool" }

// Set implements pflag.Value.
func (ignored) Set(string) error { return nil }

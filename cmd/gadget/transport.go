package main

import (
	"fmt"
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/registry"
)

// transportOptions are the flags of verbs that speak to registries.
type transportOptions struct {
	authfile, caFile string
	plainHTTP        optionalBool
	insecure         bool
}

func (o *transportOptions) addTo(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&o.authfile, "authfile", "", "`FILE` with credentials to try first (default $REGISTRY_AUTH_FILE, then those of docker and podman)")
	fs.StringVar(&o.caFile, "ca-file", "", "`FILE` with certificates, in PEM form, to trust besides the system's")
	fs.BoolVar(&o.insecure, "insecure", false, "take any certificate of a registry")
	fs.Var(&o.plainHTTP, "plain-http", "speak to registries without TLS (default: on this machine only, when they have none)")
	fs.Lookup("plain-http").NoOptDefVal = "true"
}

// credentials are all that are saved on this machine.
func (a *app) credentials(o *transportOptions) *registry.Credentials {
	return &registry.Credentials{Files: a.credentialFiles(o), Log: a.log}
}

func (a *app) credentialFiles(o *transportOptions) []string {
	return registry.CredentialFiles(a.env, o.authfile, func(name string) string {
		u, err := user.Lookup(name)
		if err != nil {
			return ""
		}
		return u.HomeDir
	})
}

func (a *app) clientOptions(o *transportOptions) registry.ClientOptions {
	// Nothing is dialled for a run that may not pull, whoever would ask for it.
	never := o == &a.run.transport && a.run.pull.String() == pullNever
	return registry.ClientOptions{
		Credentials: a.credentials(o), Offline: a.global.offline || never, PlainHTTP: o.plainHTTP.value,
		Insecure: o.insecure, CAFile: o.caFile, UserAgent: "gadget/" + version, Log: a.log,
	}
}

// remote is the repository of an image in its registry.
func (a *app) remote(ref registry.Reference, o *transportOptions) *registry.Remote {
	return registry.NewClient(a.clientOptions(o)).Remote(ref)
}

// source is where an image is pulled from: the mirrors of its registry, then that.
func (a *app) source(ref registry.Reference, o *transportOptions) (registry.Source, error) {
	var mirrors []registry.Mirror
	for _, text := range a.global.mirrors {
		m, err := registry.ParseMirror(text)
		if err != nil {
			return nil, &fault{code: exitUsage, err: fmt.Errorf("--mirror: %w", err)}
		}
		mirrors = append(mirrors, m)
	}
	return registry.NewClient(a.clientOptions(o)).RemoteFor(ref, mirrors), nil
}

// optionalBool is a flag for yes, no, or nothing said.
type optionalBool struct{ value *bool }

// String implements pflag.Value.
func (b *optionalBool) String() string {
	if b.value == nil {
		return ""
	}
	return strconv.FormatBool(*b.value)
}

// Type implements pflag.Value.
func (b *optionalBool) Type() string { return "bool" }

// Set implements pflag.Value.
func (b *optionalBool) Set(s string) error {
	v, err := strconv.ParseBool(s)
	if err != nil {
		return err
	}
	b.value = &v
	return nil
}

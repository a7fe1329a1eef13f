package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/registry"
)

func logoutCmd(a *app) *cobra.Command {
	opts := &transportOptions{}
	cmd := &cobra.Command{
		Use:     "logout REGISTRY",
		Short:   "Forget the login for a registry",
		GroupID: groupImages,
		Long: `Forget the login for a registry where gadget login keeps it. Logins in other files
stay, and are named.`,
		Example: `  gadget logout ghcr.io`,
		Args:    exactArgs("REGISTRY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runLogout(cmd, a, args[0], opts)
		},
	}
	cmd.Flags().StringVar(&opts.authfile, "authfile", "", "`FILE` with the login (default $REGISTRY_AUTH_FILE, then docker's)")
	return cmd
}

func runLogout(cmd *cobra.Command, a *app, host string, opts *transportOptions) error {
	if err := checkHost(cmd, host); err != nil {
		return err
	}
	path, err := a.loginFile(opts)
	if err != nil {
		return err
	}
	found, err := registry.Logout(cmd.Context(), path, host)
	if err != nil {
		return err
	}
	others := a.otherLogins(host, path, opts)
	if !found {
		f := &fault{code: exitFailure, err: fmt.Errorf("there is no login for %s in %s", host, path)}
		if len(others) > 0 {
			f.hint("there is one in %s: remove it with --authfile", strings.Join(others, ", "))
		}
		return f
	}
	if len(others) > 0 {
		a.log.Warn(fmt.Sprintf("there is still a login for %s in %s", host, strings.Join(others, ", ")))
	}
	_, err = fmt.Fprintf(a.out, "logged out of %s\n", host)
	return err
}

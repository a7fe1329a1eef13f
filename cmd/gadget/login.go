package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gadget-bpf/gadget/registry"
)

type loginOptions struct {
	user          string
	passwordStdin bool
	transport     transportOptions
}

func loginCmd(a *app) *cobra.Command {
	opts := &loginOptions{}
	cmd := &cobra.Command{
		Use:     "login REGISTRY",
		Short:   "Log in to a registry",
		GroupID: groupImages,
		Long: `Log in to a registry, and keep the login for gadget and other tools if the registry
takes it. It is kept in --authfile or $REGISTRY_AUTH_FILE, else in docker's
config.json, or in the credential helper that this file names. The file can be read
by its owner only.

Logins of docker and podman are found without this.`,
		Example: `  gadget login ghcr.io -u me
  echo "$TOKEN" | gadget login ghcr.io -u me --password-stdin`,
		Args: exactArgs("REGISTRY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runLogin(cmd, a, args[0], opts)
		},
	}
	cmd.Flags().StringVarP(&opts.user, "username", "u", "", "`USER` to log in as (default: asked for)")
	cmd.Flags().BoolVar(&opts.passwordStdin, "password-stdin", false, "read the password from stdin")
	opts.transport.addTo(cmd)
	return cmd
}

func runLogin(cmd *cobra.Command, a *app, host string, opts *loginOptions) error {
	if err := checkHost(cmd, host); err != nil {
		return err
	}
	l := registry.Login{Registry: host, User: opts.user}
	var err error
	if l.User, l.Password, err = a.askLogin(cmd, opts); err != nil {
		return err
	}
	if err := l.Check(cmd.Context(), a.clientOptions(&opts.transport)); err != nil {
		return err
	}
	path, err := a.loginFile(&opts.transport)
	if err != nil {
		return err
	}
	where, err := l.Save(cmd.Context(), path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "logged in to %s, kept in %s\n", host, where)
	return err
}

// checkHost wants the name of a registry and no more.
func checkHost(cmd *cobra.Command, host string) error {
	ref, err := registry.ParseReference(host + "/x")
	if err == nil && ref.Domain == host {
		return nil
	}
	return usageErrorf(cmd, "%q is no registry", host).hint("a registry is a host name with a dot or a port: ghcr.io, localhost:5000")
}

// askLogin gets user and password from flags, stdin or the terminal.
func (a *app) askLogin(cmd *cobra.Command, opts *loginOptions) (user, password string, err error) {
	user = opts.user
	if opts.passwordStdin {
		if user == "" {
			return "", "", usageErrorf(cmd, "--password-stdin wants --username")
		}
		data, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
		if err != nil {
			return "", "", fmt.Errorf("read the password: %w", err)
		}
		if password = strings.TrimRight(string(data), "\r\n"); password == "" {
			return "", "", usageErrorf(cmd, "the password on stdin is empty")
		}
		return user, password, nil
	}
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return "", "", usageErrorf(cmd, "stdin is no terminal to ask for a password").hint("give it with --password-stdin")
	}
	if user == "" {
		fmt.Fprint(a.err, "user: ")
		if user, err = bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
			return "", "", fmt.Errorf("read the user name: %w", err)
		}
		user = strings.TrimSpace(user)
	}
	fmt.Fprint(a.err, "password: ")
	data, err := term.ReadPassword(int(os.Stdin.Fd()))
	fmt.Fprintln(a.err)
	if err != nil {
		return "", "", fmt.Errorf("read the password: %w", err)
	}
	if user == "" || len(data) == 0 {
		return "", "", errors.New("a user name and a password are needed")
	}
	return user, string(data), nil
}

// loginFile is where logins are kept.
func (a *app) loginFile(o *transportOptions) (string, error) {
	if o.authfile != "" {
		return o.authfile, nil
	}
	if path, _ := a.env("REGISTRY_AUTH_FILE"); path != "" {
		return path, nil
	}
	if dir, _ := a.env("DOCKER_CONFIG"); dir != "" {
		return filepath.Join(dir, "config.json"), nil
	}
	if home, _ := a.env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".docker", "config.json"), nil
	}
	f := &fault{code: exitUsage, err: errors.New("where to keep the login? HOME is not set")}
	return "", f.hint("give --authfile FILE")
}

// otherLogins names the files that still have a login for a registry.
func (a *app) otherLogins(host, but string, o *transportOptions) []string {
	var others []string
	for _, path := range a.credentialFiles(o) {
		if path != but && registry.HasLogin(path, host) {
			others = append(others, path)
		}
	}
	return others
}

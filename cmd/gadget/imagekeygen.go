package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/registry/signature"
)

type keygenOptions struct {
	prefix   string
	password passwordOptions
}

func imageKeygenCmd(a *app) *cobra.Command {
	opts := &keygenOptions{}
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a pair of keys to sign images with",
		Long: `Make a pair of keys: PREFIX.key signs and is encrypted with a password, PREFIX.pub
verifies and is for everybody. The kind of key (ECDSA on P-256) and its encryption are
those of cosign, which reads both files. Files that exist are not overwritten.

Other keys do as well: those of openssl, ECDSA, RSA or Ed25519, in PEM form.`,
		Example: `  gadget image keygen
  gadget image keygen --prefix acme --password-file secret.txt`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return runImageKeygen(cmd, a, opts) },
	}
	cmd.Flags().StringVar(&opts.prefix, "prefix", "gadget", "`PREFIX` of the names of the files")
	opts.password.addTo(cmd)
	return cmd
}

func runImageKeygen(cmd *cobra.Command, a *app, opts *keygenOptions) error {
	private, public := opts.prefix+".key", opts.prefix+".pub"
	for _, name := range []string{private, public} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: there is such a file already", name)
		}
	}
	password, err := a.password(cmd, &opts.password, true)
	if err != nil {
		return err
	}
	key, err := signature.GenerateKey()
	if err != nil {
		return err
	}
	sealed, err := key.PEM(password)
	if err != nil {
		return err
	}
	if err := writeNew(private, sealed, 0o600); err != nil {
		return err
	}
	if err := writeNew(public, key.Public().PEM(), 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s\n%s\n", private, public)
	return err
}

// writeNew writes a file that does not exist yet.
func writeNew(name string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/registry/signature"
)

type verifyOptions struct {
	keys      []string
	output    choice
	transport transportOptions
}

func imageVerifyCmd(a *app) *cobra.Command {
	opts := &verifyOptions{output: oneOf("FORMAT", "columns", "json")}
	cmd := &cobra.Command{
		Use:   "verify IMAGE…",
		Short: "Check that images are signed with a key",
		Long: `Check that each IMAGE is signed with one of the keys: the image as a whole, or each of
its platforms. Signatures of gadget image sign and of cosign are found, under tags, as
referrers, and as Sigstore bundles. No network is used for an image of this machine, an
oci:DIR or an oci-archive:FILE, and no root; of an image in a registry only manifests and
signatures are fetched. Transparency logs and certificates are not asked.

Without --key the keys count that the policies of the configuration files name for the
image, and for official gadgets that of their project.

The exit code is 0 when all are signed, 5 when one is not, and another one when that
cannot be told.`,
		Example: `  gadget image verify --key acme.pub mysnoop:v1
  gadget image verify --key acme.pub --key old.pub ghcr.io/acme/mysnoop:v1
  gadget image verify --key acme.pub oci-archive:mysnoop.tar`,
		Args:              oneOrMore("IMAGE"),
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runImageVerify(cmd.Context(), cmd, a, args, opts)
		},
	}
	fs := cmd.Flags()
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "public-keys" {
			name = "key" // as other tools call it
		}
		return pflag.NormalizedName(name)
	})
	fs.StringArrayVarP(&opts.keys, "key", "k", nil, "`FILE` with public keys in PEM form, or the text of one; may be given several times")
	addOutput(cmd, &opts.output)
	opts.transport.addTo(cmd)
	return cmd
}

// verifiedView is one verified image, as -o json prints it.
type verifiedView struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	signatureView
}

// signatureView is a good signature.
type signatureView struct {
	// Key is the name of the key, Fingerprint the digest of its DER form.
	Key         string `json:"key"`
	Fingerprint string `json:"fingerprint"`
	Form        string `json:"form"`
	// Manifest has the signature, Subject is what was signed.
	Manifest string `json:"manifest"`
	Subject  string `json:"subject"`
}

func viewSignature(v *registry.Verified) signatureView {
	return signatureView{v.Key.Name, v.Key.Fingerprint(), string(v.Form), v.Manifest.String(), v.Subject.String()}
}

func runImageVerify(ctx context.Context, cmd *cobra.Command, a *app, names []string, opts *verifyOptions) error {
	keys, err := publicKeys(opts.keys)
	if err != nil {
		return err
	}
	views := []verifiedView{}
	for _, name := range names {
		v, err := a.verify(ctx, cmd, name, keys, opts)
		if err != nil {
			return err
		}
		views = append(views, *v)
	}
	if opts.output.String() == "json" {
		return printJSON(a.out, views)
	}
	for _, v := range views {
		if _, err := fmt.Fprintf(a.out, "%s  signed by %s (%s)\n", &moved{Name: v.Name, Digest: v.Digest}, v.Key, v.Form); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) verify(ctx context.Context, cmd *cobra.Command, name string, keys []*signature.PublicKey, opts *verifyOptions) (*verifiedView, error) {
	found, _, err := a.locate(ctx, name, &opts.transport)
	if err != nil {
		return nil, err
	}
	if found.builtIn {
		return nil, usageErrorf(cmd, "%s is built into this program, which vouches for it", name)
	}
	if len(keys) == 0 {
		if keys, err = a.keysFor(name, found); err != nil {
			return nil, err
		}
	}
	if len(keys) == 0 {
		return nil, usageErrorf(cmd, "which key? --key FILE is missing, and no policy names one for %s", name)
	}
	verified, err := registry.Verify(ctx, found.source, found.desc, registry.VerifyOptions{Keys: keys})
	var refused *signature.RefusedError
	switch {
	case errors.As(err, &refused):
		return nil, &fault{code: exitPolicy, err: fmt.Errorf("%s (%.19s): %w", found.name, found.desc.Digest, err)}
	case err != nil:
		return nil, fmt.Errorf("verify %s: %w", name, err)
	}
	names, err := found.names(name)
	if err != nil {
		return nil, err
	}
	return &verifiedView{names[0].String(), found.desc.Digest.String(), viewSignature(verified)}, nil
}

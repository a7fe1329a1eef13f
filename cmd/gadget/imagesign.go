package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/registry/signature"
)

type signOptions struct {
	key       string
	as        choice
	platforms bool
	password  passwordOptions
	output    choice
	transport transportOptions
}

func imageSignCmd(a *app) *cobra.Command {
	opts := &signOptions{
		as:     oneOf("FORM", string(signature.Tag), string(signature.Referrer), string(signature.Bundle)),
		output: oneOf("FORMAT", "columns", "json"),
	}
	cmd := &cobra.Command{
		Use:   "sign --key FILE IMAGE…",
		Short: "Sign images with a key, where they are",
		Long: `Sign images where they are: in the local store, before any push, and else in their
registry. store:NAME, registry:NAME, oci:DIR[:NAME] and oci-archive:FILE[:NAME] say
which. push, pull, copy, save and load take the signature along with the image. What is
signed is the digest of the whole image, all platforms; --recursive signs each platform,
too, for those who take one of them only.

The key is a file in PEM form, of gadget image keygen, cosign or openssl. The password of
an encrypted one is in --password-file or $COSIGN_PASSWORD, or asked for. Signing again
with the same key changes nothing.

--as says in which form cosign, or anyone, finds the signature:
  tag       under the tag sha256-<digest>.sig: every cosign and every registry
  referrer  in a manifest with the image as its subject (OCI 1.1)
  bundle    a Sigstore bundle in such a manifest: cosign 3, and 2.6 when asked`,
		Example: `  gadget image keygen --prefix acme
  gadget image sign --key acme.key mysnoop:v1
  gadget image sign --key acme.key --as bundle ghcr.io/acme/mysnoop:v1
  gadget image sign --key acme.key oci-archive:mysnoop.tar`,
		Args:              oneOrMore("IMAGE"),
		ValidArgsFunction: a.completeImages,
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.key == "" {
				return usageErrorf(cmd, "which key? --key FILE is missing").hint("gadget image keygen makes one")
			}
			return runImageSign(cmd.Context(), cmd, a, args, opts)
		},
	}
	cmd.Flags().StringVarP(&opts.key, "key", "k", "", "`FILE` with the private key, - for stdin")
	cmd.Flags().Var(&opts.as, "as", "tag, referrer or bundle: where others look for the signature")
	opts.as.complete(cmd, "as")
	cmd.Flags().BoolVarP(&opts.platforms, "recursive", "r", false, "sign each platform, too")
	opts.password.addTo(cmd)
	addOutput(cmd, &opts.output)
	opts.transport.addTo(cmd)
	return cmd
}

// signedView is one signed image, as -o json prints it.
type signedView struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	// Signatures are the manifests that were added, none when the key had signed it.
	Signatures []string `json:"signatures"`
}

func runImageSign(ctx context.Context, cmd *cobra.Command, a *app, names []string, opts *signOptions) error {
	key, err := a.privateKey(cmd, opts.key, &opts.password)
	if err != nil {
		return err
	}
	views := []signedView{}
	for _, name := range names {
		v, err := a.sign(ctx, name, key, opts)
		if err != nil {
			return err
		}
		views = append(views, *v)
	}
	if opts.output.String() == "json" {
		return printJSON(a.out, views)
	}
	for _, v := range views {
		if _, err := fmt.Fprintln(a.out, &moved{Name: v.Name, Digest: v.Digest}); err != nil {
			return err
		}
	}
	return nil
}

// sign signs one image where it is.
func (a *app) sign(ctx context.Context, name string, key *signature.PrivateKey, opts *signOptions) (*signedView, error) {
	found, _, err := a.locate(ctx, name, &opts.transport)
	if err != nil {
		return nil, err
	}
	at, err := a.signingPlace(parsePlace(name), found)
	if err != nil {
		return nil, err
	}
	names, err := found.names(name)
	if err != nil {
		return nil, err
	}
	o := registry.SignOptions{Form: signature.Form(opts.as.String()), Platforms: opts.platforms}
	v := &signedView{Name: names[0].String(), Digest: found.desc.Digest.String(), Signatures: []string{}}
	if v.Name != "" {
		o.Repository = names[0].Repository()
	}
	signed, err := registry.Sign(ctx, at, found.desc, key, o)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", name, err)
	}
	for _, d := range signed.Added {
		v.Signatures = append(v.Signatures, d.Digest.String())
	}
	if len(v.Signatures) == 0 {
		a.log.Info("it was signed by this key already", "image", name)
	}
	return v, nil
}

// signingPlace is where an image that was found can get a signature.
func (a *app) signingPlace(p place, found *foundImage) (registry.Place, error) {
	if p.kind == inDir {
		return registry.OpenStore(p.path, registry.StoreOptions{Log: a.log, Shared: true})
	}
	if at, ok := found.source.(registry.Place); ok && !found.builtIn {
		return at, nil
	}
	f := &fault{code: exitUsage, err: fmt.Errorf("%s is built into this program and cannot be signed", found.name)}
	return nil, f.hint("sign a copy: gadget image copy store:%s oci:DIR", found.name)
}

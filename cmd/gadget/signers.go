package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/registry"
	"github.com/gadget-bpf/gadget/registry/signature"
)

// projectKey is the key of the Inspektor Gadget project, with which the official
// gadgets are signed (compat-spec §1.7).
const projectKey = `-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEoDOC0gYSxZTopenGmX3ZFvQ1DSfh
Ir4EKRt5jC+mXaJ7c7J+oREskYMn/SfZdRHNSOjLTZUMDm60zpXGhkFecg==
-----END PUBLIC KEY-----
`

// projectName is what messages call it.
const projectName = "Inspektor Gadget"

// knownKeys are those of the policies, and that of the official gadgets. A key that
// cannot be read is left out here; where it is needed, that is an error.
func (a *app) knownKeys() []*signature.PublicKey {
	var keys []*signature.PublicKey
	for _, file := range a.settings.files {
		if file.policy == nil {
			continue
		}
		for _, k := range file.policy.Keys() {
			some, err := file.keys([]string{k})
			if err != nil {
				a.log.Info("a key of the policy is of no use", "error", err)
			}
			keys = append(keys, some...)
		}
	}
	return append(keys, officialKeys()...)
}

func officialKeys() []*signature.PublicKey {
	// A test makes sure that there is no error.
	keys, _ := signature.ParsePublicKeys(projectName, []byte(projectKey))
	return keys
}

// keysFor are the keys of which the policies want one to have signed an image, and
// that of the official gadgets for these.
func (a *app) keysFor(name string, found *foundImage) ([]*signature.PublicKey, error) {
	names, err := found.names(name)
	if err != nil {
		return nil, err
	}
	var keys []*signature.PublicKey
	for _, n := range names {
		for _, file := range a.settings.files {
			if file.policy == nil {
				continue
			}
			some, err := file.keys(file.policy.Decide(n, found.desc.Digest).Keys)
			if err != nil {
				return nil, err
			}
			keys = append(keys, some...)
		}
		if n.FamiliarRepository() != n.Repository() {
			keys = append(keys, officialKeys()...)
		}
	}
	return keys, nil
}

// signerView says who has signed an image, as far as the keys that are known here
// tell.
type signerView struct {
	// Signatures were found, by whomever.
	Signatures int `json:"signatures"`
	// Signature is a good one by a known key.
	*signatureView
	// Error is why that could not be told.
	Error string `json:"error,omitempty"`
}

// signers says who has signed an image.
func signers(ctx context.Context, src registry.Source, d ocispec.Descriptor, keys []*signature.PublicKey) *signerView {
	v, err := registry.Verify(ctx, src, d, registry.VerifyOptions{Keys: keys})
	var refused *signature.RefusedError
	switch {
	case err == nil:
		one := viewSignature(v)
		return &signerView{Signatures: v.Signatures, signatureView: &one}
	case errors.As(err, &refused):
		return &signerView{Signatures: refused.Signatures}
	}
	return &signerView{Error: err.Error()}
}

// String is for people.
func (v *signerView) String() string {
	switch {
	case v.Error != "":
		return "not known: " + v.Error
	case v.signatureView != nil:
		return "by " + v.Key
	case v.Signatures > 0:
		return "by no known key"
	}
	return "no"
}

// tellUnsigned says, once for each image, that nobody has vouched for it.
func (a *app) tellUnsigned(ctx context.Context, found *foundImage) {
	if a.global.quiet || a.wasTold(found) {
		return
	}
	_, err := registry.Verify(ctx, found.source, found.desc, registry.VerifyOptions{Keys: a.knownKeys(), Host: true})
	var refused *signature.RefusedError
	switch {
	case err == nil:
		return
	case errors.As(err, &refused) && refused.Signatures == 0:
		a.notice(fmt.Sprintf("%s (%.19s) is not signed; it runs, as there is no policy (said once for each image)", found.name, found.desc.Digest))
	case errors.As(err, &refused):
		a.notice(fmt.Sprintf("%s (%.19s) is signed with a key that is not known here; it runs, as there is no policy (said once for each image)", found.name, found.desc.Digest))
	default:
		a.log.Warn(fmt.Sprintf("%s (%.19s): %s; it runs, as there is no policy", found.name, found.desc.Digest, err))
		return
	}
	if err := a.rememberTold(found); err != nil {
		a.log.Info("this will be said again", "error", err)
	}
}

// toldFile has the digests of which the user was told, a line each.
const toldFile = "unsigned"

// maxTold is the size in bytes at which that file starts anew with its second half.
const maxTold = 128 << 10

func (a *app) wasTold(found *foundImage) bool {
	dir, err := a.stateDir()
	if err != nil {
		return false
	}
	told, _ := os.ReadFile(filepath.Join(dir, toldFile))
	return bytes.Contains(told, []byte(found.desc.Digest+"\n"))
}

func (a *app) rememberTold(found *foundImage) error {
	dir, err := a.stateDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, toldFile)
	if told, err := os.ReadFile(path); err == nil && len(told) > maxTold {
		half := told[len(told)/2:]
		if err := os.WriteFile(path, half[bytes.IndexByte(half, '\n')+1:], 0o600); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(found.desc.Digest.String() + "\n")
	return errors.Join(err, f.Close())
}

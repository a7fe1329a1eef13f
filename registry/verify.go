package registry

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/registry/signature"
)

// Verified says who has signed an image.
type Verified struct {
	Key *signature.PublicKey
	// Form of the signature, and the manifest that has it.
	Form     signature.Form
	Manifest digest.Digest
	// Subject is what was signed: the image, or the manifest of a platform.
	Subject digest.Digest
	// Signatures of the subject were found, by whomever.
	Signatures int
}

// VerifyOptions are the choices of Verify. The zero value wants the image as a
// whole to be signed.
type VerifyOptions struct {
	Keys []*signature.PublicKey
	// Host is true when the signature of what this machine runs of the image will do.
	Host bool
}

// Verify checks that one of the keys has signed the image root: its index, or the
// manifests of all of its platforms. The error is a *signature.RefusedError when
// none has, and another one when that cannot be told. Nothing but manifests and
// signatures is read.
func Verify(ctx context.Context, src Source, root ocispec.Descriptor, o VerifyOptions) (*Verified, error) {
	v, err := verify(ctx, src, root, o.Keys)
	var refused *signature.RefusedError
	if !errors.As(err, &refused) {
		return v, err
	}
	var archs []string
	if o.Host {
		archs = []string{runtime.GOARCH}
	}
	platforms, platformErr := platformManifests(ctx, src, root, archs...)
	if platformErr != nil {
		return nil, platformErr
	}
	for i, p := range platforms {
		one, platformErr := verify(ctx, src, p, o.Keys)
		switch {
		case errors.As(platformErr, &refused):
			return nil, err // what it says of the index tells more
		case platformErr != nil:
			return nil, platformErr
		case i == 0:
			v = one
		}
	}
	return v, nil
}

// verify checks the signatures of one manifest.
func verify(ctx context.Context, src Source, subject ocispec.Descriptor, keys []*signature.PublicKey) (*Verified, error) {
	found, err := findSignatures(ctx, src, subject)
	if err != nil {
		return nil, err
	}
	v, err := signature.Check(found.all, subject.Digest, keys)
	switch {
	case err == nil:
		return &Verified{v.Key, v.By.Form, v.By.Manifest, subject.Digest, len(found.all)}, nil
	case found.damage != nil:
		return nil, fmt.Errorf("read its signatures: %w", found.damage)
	}
	return nil, err
}

// foundSignatures is what is known of the signatures of one manifest.
type foundSignatures struct {
	all []signature.Signature
	// tagged are the manifests with cosign's tag.
	tagged [][]byte
	// damage is why some could not be read.
	damage error
}

// findSignatures reads the signatures of one manifest. The error is that of the
// list; a signature that cannot be read does not hide the others.
func findSignatures(ctx context.Context, src Source, subject ocispec.Descriptor) (*foundSignatures, error) {
	from, ok := src.(attachmentSource)
	if !ok {
		return &foundSignatures{}, nil
	}
	list, err := from.attachments(ctx, subject)
	if err != nil {
		return nil, fmt.Errorf("look for signatures: %w", err)
	}
	found := &foundSignatures{}
	for i, a := range list {
		// Whoever may push to the repository may attach as much as he likes.
		if len(found.all) >= signature.MaxSignatures || i >= maxManifests {
			break
		}
		if a.tag == "" || a.tag == signature.TagOf(subject.Digest) {
			found.damage = errors.Join(found.damage, found.read(ctx, src, a))
		}
	}
	return found, nil
}

// read adds the signatures of an attachment, if it has any.
func (f *foundSignatures) read(ctx context.Context, src Source, a attachment) error {
	if a.tag == "" && a.Size > signature.MaxManifest {
		return nil // none of ours
	}
	manifest, err := readBlob(ctx, src, a.Descriptor, signature.MaxManifest)
	if err != nil {
		return err
	}
	if a.tag != "" {
		f.tagged = append(f.tagged, manifest)
	}
	var damage error
	for _, l := range signature.Layers(manifest) {
		data, err := readBlob(ctx, src, l, signature.MaxLayer)
		if err != nil {
			damage = errors.Join(damage, err)
			continue
		}
		s := signature.Read(l, data)
		s.Manifest = a.Digest
		if s.Form == "" && a.tag == "" {
			s.Form = signature.Referrer
		} else if s.Form == "" {
			s.Form = signature.Tag
		}
		f.all = append(f.all, s)
	}
	return damage
}

// platformManifests are the manifests of an image: those of archs, or all.
func platformManifests(ctx context.Context, src Source, root ocispec.Descriptor, archs ...string) ([]ocispec.Descriptor, error) {
	data, err := readBlob(ctx, src, root, MaxManifest)
	if err != nil {
		return nil, err
	}
	index, err := parseIndex(root, data)
	if err != nil {
		return nil, err
	}
	entries, err := choose(index, archs)
	if err != nil {
		return nil, err
	}
	var manifests []ocispec.Descriptor
	for _, e := range entries {
		manifests = append(manifests, plain(e))
	}
	return manifests, nil
}

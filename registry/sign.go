package registry

import (
	"context"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/gadget-bpf/gadget/registry/signature"
)

// SignOptions are the choices of Sign. The zero value signs the index in the form
// that every cosign and every registry knows.
type SignOptions struct {
	// Form of the signature, signature.Tag when empty.
	Form signature.Form
	// Repository in which the image is signed, "" when it has no name.
	Repository string
	// Platforms are signed one by one, too.
	Platforms bool
}

// Signed says what Sign did.
type Signed struct {
	// Added are the manifests with new signatures. There is none for what the key
	// had signed already in that form.
	Added []ocispec.Descriptor
}

// Place is where an image is that gets something attached: a *Store, a *Remote or a
// *Tar.
type Place interface {
	Source
	// attach adds manifests about the image root, or about its platforms.
	attach(ctx context.Context, root ocispec.Descriptor, all []artifact) error
}

// artifact is an attachment with all that it consists of.
type artifact struct {
	attachment
	blobs []blob // the manifest last
}

var (
	_ Place = (*Store)(nil)
	_ Place = (*Remote)(nil)
	_ Place = (*Tar)(nil)
)

// Sign signs the image root where it is. The signature moves with the image from
// then on. Signing again with the same key changes nothing.
func Sign(ctx context.Context, at Place, root ocispec.Descriptor, key *signature.PrivateKey, o SignOptions) (*Signed, error) {
	if o.Form == "" {
		o.Form = signature.Tag
	}
	subjects := []ocispec.Descriptor{root}
	platforms, err := platformManifests(ctx, at, root)
	if err != nil {
		return nil, err
	}
	if o.Platforms {
		subjects = append(subjects, platforms...)
	}
	var all []artifact
	signed := &Signed{}
	for _, subject := range subjects {
		a, err := newSignature(ctx, at, subject, key, o)
		if err != nil {
			return nil, err
		}
		if a != nil {
			all = append(all, *a)
			signed.Added = append(signed.Added, a.Descriptor)
		}
	}
	if len(all) == 0 {
		return signed, nil
	}
	return signed, at.attach(ctx, root, all)
}

// newSignature signs one manifest; it is nil when the key has done that already.
func newSignature(ctx context.Context, src Source, subject ocispec.Descriptor, key *signature.PrivateKey, o SignOptions) (*artifact, error) {
	found, err := findSignatures(ctx, src, subject)
	if err != nil {
		return nil, err
	}
	var same []signature.Signature
	for _, s := range found.all {
		if s.Form == o.Form {
			same = append(same, s)
		}
	}
	if _, err := signature.Check(same, subject.Digest, []*signature.PublicKey{key.Public()}); err == nil {
		return nil, nil
	}
	if o.Form == signature.Tag && found.damage != nil {
		return nil, fmt.Errorf("read the signatures to which this one would be added: %w", found.damage)
	}
	made, err := signature.Sign(o.Form, subject, o.Repository, key, found.tagged...)
	if err != nil {
		return nil, err
	}
	a := &artifact{attachment: attachment{made.Manifest.Descriptor, subject.Digest, made.Tag}}
	for _, b := range append(made.Blobs, made.Manifest) {
		a.blobs = append(a.blobs, blob{plain(b.Descriptor), b.Data})
	}
	return a, nil
}

// pushArtifacts pushes what is not there yet.
func pushArtifacts(ctx context.Context, r receiver, all []artifact) error {
	for _, a := range all {
		for _, b := range a.blobs {
			there, err := r.has(ctx, b.Descriptor)
			if err == nil && !there {
				err = r.push(ctx, b.Descriptor, b.open)
			}
			if err != nil {
				return fmt.Errorf("signature %s: %w", short(a.Digest), err)
			}
		}
	}
	return nil
}

func attachmentsOf(all []artifact) []attachment {
	var list []attachment
	for _, a := range all {
		list = append(list, a.attachment)
	}
	return list
}

// attach implements Place. Nothing is signed that is being removed.
func (s *Store) attach(ctx context.Context, root ocispec.Descriptor, all []artifact) error {
	dropped, err := s.write(ctx, func(r receiver) (err error) {
		if err := pushArtifacts(ctx, r, all); err != nil {
			return err
		}
		to := r.(*storeReceiver)
		to.dropped, err = to.attach(ctx, root.Digest, attachmentsOf(all))
		return err
	})
	s.collectAfter(ctx, dropped)
	return storeError(s.dir, "store the signature", err)
}

// attach implements Place.
func (r *Remote) attach(ctx context.Context, root ocispec.Descriptor, all []artifact) error {
	return r.receive(ctx, func(to receiver) error {
		if err := pushArtifacts(ctx, to, all); err != nil {
			return err
		}
		return to.name(ctx, root, Reference{}, attachmentsOf(all))
	})
}

// Package signature makes and verifies signatures of images with keys, in the forms
// that cosign writes:
//
//	Tag       simple signing, in a manifest with the tag sha256-<digest>.sig
//	Referrer  the same in a manifest that names the image as its subject (OCI 1.1)
//	Bundle    a Sigstore bundle with a DSSE envelope, in a manifest with a subject
//
// It is pure: bytes in, bytes out. Finding signatures, reading and storing them is
// the matter of package registry. No transparency log and no certificate is asked:
// a signature counts when one of the given keys has made it.
package signature

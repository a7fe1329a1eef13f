// Package registry keeps gadget images: in the local store, in directories and
// embedded file systems that have the OCI image layout, and moves them.
//
//	Reference  the name of an image, in full: ghcr.io/me/tool:v1
//	Source     where images are read from: names to descriptors, descriptors to bytes
//	Store      a Source on disk that is written too, safe for many processes at once
//	Layout     a Source over any fs.FS, read-only: built-in gadgets, oci: directories
//	Load       Source → schemas.Image, Describe → Info: what an image consists of
//
// Every byte that is read from a Source is bounded in size and its digest is
// verified. Nothing here needs root.
package registry

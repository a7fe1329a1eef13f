package registry

import (
	"context"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// mount has the registry take a blob from its other repository. When it does not want
// to, for whatever reason, the blob is pushed.
func (r *remoteReceiver) mount(ctx context.Context, d ocispec.Descriptor, open func() (io.ReadCloser, error)) bool {
	if r.mountFrom == "" || isManifestType(d.MediaType) {
		return false
	}
	err := r.repo.Mount(ctx, d, r.mountFrom, open)
	if err != nil {
		r.client.log.Debug("could not mount a blob", "digest", d.Digest, "from", r.mountFrom, "error", err)
	}
	return err == nil
}

// neighbour returns another repository of the registry of to where the image root is,
// as far as its source knows, "" for none.
func neighbour(src Source, root digest.Digest, to Reference) string {
	if from, ok := src.(*Remote); ok && from.ref.Domain == to.Domain && from.ref.Path != to.Path {
		return from.ref.Path
	}
	layout, ok := src.(interface{ Names() ([]Entry, error) })
	if !ok {
		return ""
	}
	entries, err := layout.Names()
	for _, e := range entries {
		if err == nil && e.Digest == root && e.Reference.Domain == to.Domain && e.Reference.Path != to.Path {
			return e.Reference.Path
		}
	}
	return ""
}

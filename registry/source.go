package registry

import (
	"context"
	"errors"
	"fmt"
	"io"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
)

// Limits on what is read of an image, in bytes and numbers.
const (
	MaxManifest  = 4 << 20
	MaxLayer     = 256 << 20
	MaxMetadata  = 1 << 20
	maxPlatforms = 64
	maxLayers    = 64
)

// Source is where images are read from. Its methods may be called concurrently.
type Source interface {
	// Resolve returns the descriptor that a name stands for, without annotations;
	// a *NotFoundError when there is none.
	Resolve(ctx context.Context, name string) (ocispec.Descriptor, error)
	// Fetch opens a blob. What is read from it is not verified.
	Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error)
}

var (
	_ Source = (*Store)(nil)
	_ Source = (*Layout)(nil)
)

// readBlob returns a whole blob, its size bounded and its digest verified.
func readBlob(ctx context.Context, src content.Fetcher, d ocispec.Descriptor, limit int64) ([]byte, error) {
	switch {
	case d.Digest.Validate() != nil:
		return nil, fmt.Errorf("the image names a blob by %q, which is no digest", d.Digest)
	case d.Size < 0 || d.Size > limit:
		return nil, fmt.Errorf("blob %s has %d bytes, more than the %d that are read", short(d.Digest), d.Size, limit)
	}
	data, err := content.FetchAll(ctx, src, d)
	switch {
	case errors.Is(err, content.ErrMismatchedDigest):
		return nil, damaged(d, "its content has another digest")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, content.ErrTrailingData):
		return nil, damaged(d, "it does not have the %d bytes it should have", d.Size)
	case err != nil:
		return nil, fmt.Errorf("read blob %s: %w", short(d.Digest), err)
	}
	return data, nil
}

func damaged(d ocispec.Descriptor, format string, args ...any) error {
	return &DamagedError{d.Digest, fmt.Sprintf(format, args...)}
}

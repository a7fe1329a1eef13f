package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Attached is something that is attached to a manifest of an image, such as a
// signature.
type Attached struct {
	Digest digest.Digest
	// Type is its artifact type, or what the end of its tag stands for; "" for unknown.
	Type string
	// Subject is the manifest that it is about.
	Subject digest.Digest
}

// ListAttached lists what is attached to an image: to its index and to the manifests
// of its platforms. Sources that do not know of attachments have none.
func ListAttached(ctx context.Context, src Source, info *Info) ([]Attached, error) {
	from, ok := src.(attachmentSource)
	if !ok {
		return nil, nil
	}
	subjects := []ocispec.Descriptor{{MediaType: ocispec.MediaTypeImageIndex, Digest: info.Digest}}
	for _, p := range info.Platforms {
		subjects = append(subjects, ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: p.Digest})
	}
	var all []Attached
	for _, s := range subjects {
		found, err := from.attachments(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("look for signatures and other attachments: %w", err)
		}
		for _, a := range found {
			kind := a.ArtifactType
			if _, suffix, ok := strings.Cut(a.tag, "."); ok && kind == "" {
				kind = tagKinds[suffix]
			}
			if kind == "" {
				// Not every list of referrers says it.
				data, err := readBlob(ctx, src, a.Descriptor, MaxManifest)
				if err != nil {
					return nil, fmt.Errorf("attachment %s: %w", short(a.Digest), err)
				}
				var n node
				if json.Unmarshal(data, &n) == nil {
					kind = n.ArtifactType
				}
			}
			all = append(all, Attached{a.Digest, kind, s.Digest})
		}
	}
	return all, nil
}

// tagKinds are what cosign's tags end in, in words.
var tagKinds = map[string]string{"sig": "signature", "att": "attestation", "sbom": "bill of materials"}
